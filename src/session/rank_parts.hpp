#pragma once

#include "coordinator/coordinator.hpp"
#include "core/idle_waiter.hpp"
#include "core/receive_memory.hpp"
#include "core/settings.hpp"
#include "mpi/mpi_world.hpp"
#include "segments/segment_pool.hpp"
#include "spill/spill_desk.hpp"
#include "store/node_link.hpp"
#include "transport/mpi_transport.hpp"
#include "worker/worker.hpp"

#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// What every rank of a session has, whatever it does there.
struct RankParts {
  /// Large arrays arrive in `memory`, those that the node shares lie in `segments`. Both must outlive this.
  RankParts(const Settings& given, const MpiWorld::Options& options, SegmentPool& segments, ReceiveMemory& memory)
      : settings(given), world(timed(options)), transport(start_transport(segments, memory)) {}
  RankParts(const Settings& given, MPI_Comm communicator, const MpiWorld::Options& options, SegmentPool& segments,
            ReceiveMemory& memory)
      : settings(given), world(communicator, timed(options)), transport(start_transport(segments, memory)) {}

  /// Ends the job because workers do not leave, after a line that names them.
  [[noreturn]] void abort_with(const std::vector<ServingWorker>& stuck, int status) const;
  /// Prints one line about each worker that `coordinator` loses, and remembers them.
  void watch_losses(Coordinator& coordinator);

  /// On rank 0: makes what lets large results of `coordinator` go through files, and joins them.
  [[nodiscard]] std::unique_ptr<SpillDesk> make_spill_desk(Coordinator& coordinator) const;

  /// On rank 0 when the session ends and the workers that live have left; `status` is the program's.
  ///
  /// If ranks were lost, the last line that this process prints says which, and whether the program succeeded all the
  /// same. Where MPI does not tell of dead ranks, finalising it would hang then: a job whose MPI is ours ends here,
  /// through MPI_Abort.
  void end_as_leader(int status);
  /// The same on the other ranks, which have nothing to say, and stay for rank 0 to end the job. `ranks_lost` is what
  /// rank 0 knows.
  void end_as_worker(int status, bool ranks_lost);

  /// Lets `worker` end the job if rank 0 dies: nobody else would, where ranks are to outlive each other.
  void watch_leader(Worker& worker) const;

  const Settings settings;
  MpiWorld world;
  NodeLinks links;
  MpiTransport transport;

 private:
  [[nodiscard]] MpiWorld::Options timed(MpiWorld::Options options) const;
  /// Makes `links`, too.
  [[nodiscard]] MpiTransport start_transport(SegmentPool& segments, ReceiveMemory& memory);

  std::vector<LostWorker> lost_;
};

}  // namespace joblib_mpi
