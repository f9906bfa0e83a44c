#include "mpi/mpi_lifetime.hpp"

#include "core/deadline_guard.hpp"
#include "mpi/mpi_start_fence.hpp"

#include <mpi.h>

#include <array>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

namespace joblib_mpi {
namespace {

/// Returns whether mpirun of Open MPI 4 lets ranks end without finalising MPI (`--mca orte_allowed_exit_without_sync
/// 1`), as it is told to when ranks are to outlive each other. In this mode mpirun never ends, with no rank left, if
/// one is killed while the others finalise.
bool launcher_needs_no_finalisation() {
  const char* allowed = std::getenv("OMPI_MCA_orte_allowed_exit_without_sync");
  return allowed != nullptr && std::string_view(allowed) == "1";
}

}  // namespace

std::string this_process() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    if (const char* rank = std::getenv(name)) return std::string("rank ") + rank + " on " + host.data();
  }
  return "process " + std::to_string(getpid()) + " on " + host.data();
}

MpiLifetime::MpiLifetime(double limit_seconds, int* argc, char*** argv)
    : process_(this_process()),
      launcher_needs_no_finalisation_(launcher_needs_no_finalisation()),
      limit_seconds_(limit_seconds) {
  const DeadlineGuard guard({.seconds = limit_seconds,
                             .operation = process_ + ": MPI_Init",
                             .advice = "another rank has not started or has ended before it joined, or MPI has no room "
                                       "for its files in TMPDIR; look for the message of that rank or of MPI "
                                       "(JOBLIB_MPI_START_SECONDS changes the wait)"});
  constexpr bool abort_on_exception = false;  // an exception must reach the caller
  using boost::mpi::environment;
  constexpr auto level = boost::mpi::threading::serialized;
  environment_ = argc != nullptr && argv != nullptr
                     ? std::make_unique<environment>(*argc, *argv, level, abort_on_exception)
                     : std::make_unique<environment>(level, abort_on_exception);
  wait_for_ranks_in_init();
  // Errors that belong to no communicator, such as the death of a rank, are raised on MPI_COMM_SELF.
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
}

MpiLifetime::~MpiLifetime() {
  if (!finalise_ || launcher_needs_no_finalisation_) {
    (void)environment_.release();
    return;
  }
  const DeadlineGuard guard(
      {.seconds = limit_seconds_,
       .operation = process_ + ": MPI_Finalize",
       .advice = "another rank has ended without calling it (JOBLIB_MPI_START_SECONDS changes the wait)",
       .exit_status = exit_status_});
  environment_.reset();
}

}  // namespace joblib_mpi
