#include "mpi/mpi_world.hpp"

#include "mpi/mpi_check.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <thread>

namespace joblib_mpi {
namespace {

/// What each rank tells all others. Of a fixed form, so that ranks of different versions understand each other.
struct Introduction {
  std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
  std::array<char, 400> identity{};
};

template <std::size_t size>
std::string text_of(const std::array<char, size>& text) {
  return {text.data(), strnlen(text.data(), text.size())};
}

template <std::size_t size>
void set_text(std::array<char, size>& place, const std::string& text) {
  std::copy_n(text.begin(), std::min(text.size(), size - 1), place.begin());
}

const char* name_of(boost::mpi::threading::level level) {
  switch (level) {
    case boost::mpi::threading::single:
      return "MPI_THREAD_SINGLE";
    case boost::mpi::threading::funneled:
      return "MPI_THREAD_FUNNELED";
    case boost::mpi::threading::serialized:
      return "MPI_THREAD_SERIALIZED";
    default:
      return "MPI_THREAD_MULTIPLE";
  }
}

}  // namespace

MpiWorld::MpiWorld(const Options& options) {
  if (boost::mpi::environment::finalized()) {
    throw MpiError("MPI is already finalised, and cannot be started twice in a process: create the session before");
  }
  if (boost::mpi::environment::initialized()) {
    const auto level = boost::mpi::environment::thread_level();
    if (options.needs_multiple && level < boost::mpi::threading::multiple) {
      throw MpiError(std::string("MPI was initialised with ") + name_of(level) +
                     ", but here a thread of the session makes MPI calls beside the program's: initialise it with "
                     "MPI_THREAD_MULTIPLE, or create the session first");
    }
  } else {
    constexpr bool abort_on_exception = false;  // an exception must reach the caller
    environment_ = std::make_unique<boost::mpi::environment>(boost::mpi::threading::serialized, abort_on_exception);
  }
  duplicate(MPI_COMM_WORLD);
  introduce_ranks(options.identity);
  look_at_cores(options.busy_threads);
}

MpiWorld::MpiWorld(MPI_Comm communicator, const Options& options) {
  if (!boost::mpi::environment::initialized() || boost::mpi::environment::finalized()) {
    throw MpiError("a session on a communicator needs MPI to be initialised and not yet finalised");
  }
  if (communicator == MPI_COMM_NULL) {
    throw UsageError("MPI_COMM_NULL has no ranks: create the session only on the ranks of its communicator");
  }
  duplicate(communicator);
  introduce_ranks(options.identity);
  look_at_cores(options.busy_threads);
}

MpiWorld::~MpiWorld() {
  if (environment_) wait_for_all();
}

bool MpiWorld::any_thread_may_call() const {
  return boost::mpi::environment::thread_level() >= boost::mpi::threading::serialized;
}

void MpiWorld::abort(int status) const {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::abort();  // MPI_Abort does not come back
}

void MpiWorld::wait_for_all() const noexcept {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(communicator_, &request) != MPI_SUCCESS) return;
  int done = 0;
  while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done == 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void MpiWorld::duplicate(MPI_Comm communicator) {
  communicator_ = boost::mpi::communicator(communicator, boost::mpi::comm_duplicate);
  check_mpi(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  rank_ = communicator_.rank();
}

void MpiWorld::introduce_ranks(const std::string& identity) {
  Introduction own;
  set_text(own.host, boost::mpi::environment::processor_name());
  set_text(own.identity, identity);
  std::vector<Introduction> all(static_cast<std::size_t>(communicator_.size()));
  check_mpi(MPI_Allgather(&own, sizeof own, MPI_BYTE, all.data(), sizeof own, MPI_BYTE, communicator_),
            "MPI_Allgather");

  for (const Introduction& other : all) hosts_.push_back(text_of(other.host));
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank].identity == all.front().identity) continue;
    throw VersionMismatch("rank " + std::to_string(rank) + " on " + hosts_[rank] + " runs \"" +
                          text_of(all[rank].identity) + "\", rank 0 on " + hosts_.front() + " runs \"" +
                          text_of(all.front().identity) + "\"; start the same program and versions on all ranks");
  }
}

void MpiWorld::look_at_cores(int busy_threads) {
  cpu_set_t own;
  CPU_ZERO(&own);
  if (sched_getaffinity(0, sizeof own, &own) != 0) return;  // more than 1024 cores: be polite and do not spin

  MPI_Comm node_handle = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(communicator_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_handle),
            "MPI_Comm_split_type");
  const boost::mpi::communicator node(node_handle, boost::mpi::comm_take_ownership);
  cpu_set_t all = own;
  check_mpi(MPI_Allreduce(&own, &all, sizeof own, MPI_UNSIGNED_CHAR, MPI_BOR, node), "MPI_Allreduce");
  has_own_core_ = CPU_COUNT(&own) >= busy_threads && CPU_COUNT(&all) >= node.size() * busy_threads;
}

}  // namespace joblib_mpi
