#pragma once

#include "executor/executor.hpp"
#include "spill/result_spiller.hpp"

#include <optional>

namespace joblib_mpi {

/// Performs the last step of a task in the process that ran it: a result larger than the task's limits allow goes to a
/// file, if the process has a format for it.
class LargeResults {
 public:
  /// Sets the format, which must outlive this object. Must be called before the first task.
  void spill_with(const ResultFormat& format) { spiller_.emplace(format); }

  /// Returns whether the result of `task` has to spill into a folder that rank 0 has to make first.
  [[nodiscard]] bool wants_folder(const ExecutedTask& task, const TaskLimits& limits,
                                  const ResultPlace& place) const noexcept {
    return is_due(task, limits) && place.spill && place.spill->has_to_be_made();
  }

  /// Replaces the result of `task` by the handle of its file, if it has to spill. `notes()` describes the result and is
  /// called only then.
  template <class Notes>
  void spill_if_due(ExecutedTask& task, const TaskLimits& limits, const ResultPlace& place, Notes&& notes) {
    if (!is_due(task, limits)) return;
    task.ending = spiller_->spill(task.result, notes(), task.seconds, place, limits);
  }

 private:
  [[nodiscard]] bool is_due(const ExecutedTask& task, const TaskLimits& limits) const noexcept {
    return spiller_ && task.ending == TaskEnding::returned && ResultSpiller::is_due(task.result, limits);
  }

  std::optional<ResultSpiller> spiller_;
};

}  // namespace joblib_mpi
