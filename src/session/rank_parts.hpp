#pragma once

#include "coordinator/coordinator.hpp"
#include "core/idle_waiter.hpp"
#include "core/receive_memory.hpp"
#include "core/settings.hpp"
#include "mpi/mpi_world.hpp"
#include "transport/mpi_transport.hpp"

#include <string>
#include <vector>

namespace joblib_mpi {

/// What every rank of a session has, whatever it does there.
struct RankParts {
  explicit RankParts(const MpiWorld::Options& options) : world(options) {}
  RankParts(MPI_Comm communicator, const MpiWorld::Options& options) : world(communicator, options) {}

  /// Ends the job because workers do not leave, after a line that names them.
  [[noreturn]] void abort_with(const std::vector<ServingWorker>& stuck, int status) const;
  /// Prints one line about each worker that `coordinator` loses.
  void warn_of_losses(Coordinator& coordinator) const;

  Settings settings = settings_from_environment();
  MpiWorld world;
  HeapMemory memory;
  MpiTransport transport{world.communicator(), settings.broadcast_chunk_bytes};
};

}  // namespace joblib_mpi
