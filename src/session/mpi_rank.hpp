#pragma once

#include "coordinator/coordinator.hpp"
#include "core/settings.hpp"
#include "mpi/mpi_world.hpp"
#include "session/loss_log.hpp"
#include "session/rank.hpp"
#include "store/node_link.hpp"
#include "transport/mpi_transport.hpp"
#include "worker/worker.hpp"

#include <vector>

namespace joblib_mpi {

/// A rank of an MPI job: its communicator, what it exchanges messages through, and how it leaves the job.
class MpiRank {
 public:
  /// Initialises MPI, or joins it, on all ranks of MPI_COMM_WORLD; `options.start_seconds` comes from the settings.
  /// Messages arrive where executor processes see them, if there are any. Collective; throws as MpiWorld does.
  MpiRank(const MpiWorld::Options& options, bool has_executor_processes);
  /// Joins the ranks of a communicator of the program's.
  MpiRank(MPI_Comm communicator, const MpiWorld::Options& options, bool has_executor_processes);

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] MpiWorld& world() noexcept { return world_; }
  [[nodiscard]] const MpiWorld& world() const noexcept { return world_; }
  /// The parts that CoordinatingRank and ServingRank are made of.
  [[nodiscard]] Rank parts() noexcept;
  /// Rank 0's record of the workers that are gone.
  [[nodiscard]] LossLog& losses() noexcept { return losses_; }

  /// Ends the job, since `stuck` workers do not leave, after a line that names them.
  [[noreturn]] void abort_with(const std::vector<ServingWorker>& stuck, int status) const;

  /// Ends rank 0's session once the workers that live have left; `status` is the program's.
  ///
  /// If ranks were lost, the last line that this process prints names them and says whether the program succeeded all
  /// the same. Where MPI does not tell of dead ranks, finalising it would hang then: a job whose MPI was initialised
  /// here ends through MPI_Abort.
  void end_as_coordinator(int status);
  /// Ends a worker's session. Prints nothing; after a loss it waits for rank 0 to end the job. `ranks_lost` is what
  /// rank 0 has said.
  void end_as_worker(int status, bool ranks_lost);

  /// What a worker does about rank 0's death: it ends the job, which nothing else would, where ranks outlive each
  /// other.
  [[nodiscard]] Worker::CoordinatorLoss ending_without_coordinator() const;

 private:
  [[nodiscard]] MpiWorld::Options timed(MpiWorld::Options options) const;
  /// Makes `links_`, too.
  [[nodiscard]] MpiTransport start_transport(ReceiveMemory& memory);

  const Settings settings_ = settings_from_environment();
  RankMemory memory_{settings_};
  MpiWorld world_;
  NodeLinks links_;
  MpiTransport transport_;
  LossLog losses_;
};

}  // namespace joblib_mpi
