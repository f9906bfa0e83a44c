#pragma once

#include "executor/executor.hpp"
#include "spill/result_spiller.hpp"

#include <optional>

namespace joblib_mpi {

/// The last step of a task in the process that ran it: a result that is larger than the task's limits allow goes to a
/// file, if the process knows a format for it.
class LargeResults {
 public:
  /// `format` must outlive this. To be called before the first task.
  void spill_with(const ResultFormat& format) { spiller_.emplace(format); }

  /// Replaces the result of `task` by the handle of its file, if it is due. `notes()` describes the result and is only
  /// called then.
  template <class Notes>
  void spill_if_due(ExecutedTask& task, const TaskLimits& limits, const ResultPlace& place, Notes&& notes) {
    if (!spiller_ || task.ending != TaskEnding::returned || !ResultSpiller::is_due(task.result, limits)) return;
    task.ending = spiller_->spill(task.result, notes(), task.seconds, place, limits);
  }

 private:
  std::optional<ResultSpiller> spiller_;
};

}  // namespace joblib_mpi
