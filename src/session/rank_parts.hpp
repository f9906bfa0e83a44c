#pragma once

#include "coordinator/coordinator.hpp"
#include "core/idle_waiter.hpp"
#include "core/settings.hpp"
#include "mpi/mpi_world.hpp"
#include "transport/mpi_transport.hpp"

#include <string>
#include <vector>

namespace joblib_mpi {

/// A rank that is dead or does not answer, and how that was found: "signal 9", "no sign of life for 10 s".
struct LostRank {
  int rank;
  std::string reason;
};

/// What every rank of a session has, whatever it does there.
struct RankParts {
  explicit RankParts(const MpiWorld::Options& options) : world(timed(options)) {}
  RankParts(MPI_Comm communicator, const MpiWorld::Options& options) : world(communicator, timed(options)) {}

  /// Ends the job because workers do not leave, after a line that names them.
  [[noreturn]] void abort_with(const std::vector<ServingWorker>& stuck, int status) const;

  /// On rank 0 when the session ends and the workers that live have left; `status` is the program's.
  ///
  /// `lost` are those that the coordinator has lost; the transport may know of more. If there are any, the last line
  /// that this process prints says which, and whether the program succeeded all the same. Where MPI does not tell of
  /// dead ranks, finalising it would hang then: a job whose MPI is ours ends here, through MPI_Abort.
  void end_as_leader(std::vector<LostRank> lost, int status);
  /// The same on the other ranks, which have nothing to say.
  void end_as_worker(int status);

  Settings settings = settings_from_environment();
  MpiWorld world;
  MpiTransport transport = start_transport();

 private:
  [[nodiscard]] MpiWorld::Options timed(MpiWorld::Options options) const;
  [[nodiscard]] MpiTransport start_transport() const;
};

}  // namespace joblib_mpi
