#pragma once

#include "coordinator/coordinator.hpp"
#include "coordinator/lost_worker.hpp"

#include <string>
#include <vector>

namespace joblib_mpi {

/// Rank 0's record of the workers that it has lost, over all runs of a session.
class LossLog {
 public:
  /// Prints one line about each worker that `coordinator` loses or that comes back, and records those that are gone.
  /// First tells `coordinator` the losses of earlier runs. `hosts` are the processor names by rank; `hosts` and this
  /// object must outlive `coordinator`.
  void watch(Coordinator& coordinator, const std::vector<std::string>& hosts);
  /// Records a rank that the transport has found dead, unless it is recorded already.
  void add(WorkerId worker);

  /// Returns the workers that are gone.
  [[nodiscard]] const std::vector<LostWorker>& lost() const noexcept { return lost_; }

 private:
  std::vector<LostWorker> lost_;
  bool broadcasts_ended_ = false;  // by a loss, even if that worker came back
};

}  // namespace joblib_mpi
