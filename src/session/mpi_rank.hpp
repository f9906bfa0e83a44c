#pragma once

#include "coordinator/coordinator.hpp"
#include "core/settings.hpp"
#include "mpi/mpi_world.hpp"
#include "segments/wake_page.hpp"
#include "session/loss_log.hpp"
#include "session/node_wake_pages.hpp"
#include "session/rank.hpp"
#include "store/node_link.hpp"
#include "transport/mpi_transport.hpp"
#include "worker/worker.hpp"

#include <vector>

namespace joblib_mpi {

/// A rank of an MPI job: its communicator, its transport, and the way in which it leaves the job.
class MpiRank {
 public:
  /// Initialises MPI, or joins it, on all ranks of MPI_COMM_WORLD. Collective. `options.start_seconds` is taken from
  /// the settings. The thread that uses the transport sleeps on the flag of `wake_page`, which must outlive the rank.
  /// If there are executor processes, messages arrive in memory that these can map. Throws what MpiWorld's constructor
  /// throws.
  MpiRank(const MpiWorld::Options& options, const OwnWakePage& wake_page, bool has_executor_processes);
  /// Joins the ranks of a communicator that belongs to the program. Collective over it. Throws what MpiWorld's
  /// constructor throws.
  MpiRank(MPI_Comm communicator, const MpiWorld::Options& options, const OwnWakePage& wake_page,
          bool has_executor_processes);

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] MpiWorld& world() noexcept { return world_; }
  [[nodiscard]] const MpiWorld& world() const noexcept { return world_; }
  /// Returns the parts from which CoordinatingRank and ServingRank are composed.
  [[nodiscard]] Rank parts() noexcept;
  [[nodiscard]] RankMemory& memory() noexcept { return memory_; }
  /// Returns rank 0's record of the workers that are gone.
  [[nodiscard]] LossLog& losses() noexcept { return losses_; }

  /// Ends the job because the workers `stuck` do not leave, after a line on stderr that names them, and the `failure`
  /// for which the program ends if it is not empty. The job's status is `status`, or 1 if that is 0: what the program
  /// would have done after its session is not done.
  [[noreturn]] void abort_with(const std::vector<ServingWorker>& stuck, int status,
                               const std::string& failure = "") const;
  /// Says on stderr that the job waits for the tasks of the workers `stuck`.
  void announce_wait_for(const std::vector<ServingWorker>& stuck) const;

  /// Ends rank 0's session once all workers that are alive have left; `status` is that of the program.
  ///
  /// If ranks were lost, the last line that this process prints names them and says whether the program succeeded
  /// nevertheless. Where MPI does not report dead ranks, MPI_Finalize would hang then, so a job whose MPI was
  /// initialised by the session ends through MPI_Abort.
  void end_as_coordinator(int status);
  /// Ends a worker's session. Prints nothing; after a loss it waits for rank 0 to end the job. `ranks_lost` is true if
  /// rank 0 has reported a loss.
  void end_as_worker(int status, bool ranks_lost);

  /// Returns a worker's reaction to the death of rank 0: it ends the job, which would otherwise keep running where
  /// ranks outlive each other.
  [[nodiscard]] Worker::CoordinatorLoss ending_without_coordinator() const;

 private:
  /// Returns "2 on n1 (running fit)" for each of the workers, separated by commas.
  [[nodiscard]] std::string names_of(const std::vector<ServingWorker>& workers) const;
  /// Returns the options with the settings' time for the start, after raising the limit of open files.
  [[nodiscard]] MpiWorld::Options prepared(MpiWorld::Options options) const;
  /// Connects the ranks of the node and returns the transport. Also makes `links_` and `other_wake_pages_`.
  [[nodiscard]] MpiTransport start_transport(bool has_executor_processes);
  /// Returns whether all ranks that send messages to this one can wake it.
  [[nodiscard]] bool is_woken() const;

  const Settings settings_ = settings_from_environment();
  RankMemory memory_{settings_};
  MpiWorld world_;
  NodeLinks links_;
  const OwnWakePage& wake_page_;
  NodeWakePages other_wake_pages_;
  MpiTransport transport_;
  LossLog losses_;
};

}  // namespace joblib_mpi
