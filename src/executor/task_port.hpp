#pragma once

#include "executor/executor.hpp"

#include <optional>
#include <vector>

namespace joblib_mpi {

/// Where the side that runs the user's functions takes its tasks: in a loop of `next_task` and `finish`, on one thread.
class TaskPort {
 public:
  struct Work {
    std::optional<ExecutorTask> task = {};  ///< none: there will never be another, leave the loop
    std::vector<ObjectId> forgotten = {};   ///< objects that nobody will name again, since the last work
  };

  TaskPort() = default;
  TaskPort(const TaskPort&) = delete;
  TaskPort& operator=(const TaskPort&) = delete;
  virtual ~TaskPort() = default;

  /// Waits for a task.
  [[nodiscard]] virtual Work next_task() = 0;
  /// Hands over what came of the task that `next_task` gave last.
  virtual void finish(ExecutedTask task) = 0;
  /// Whether the task that `next_task` gave last should end early. Any thread and signal handlers may ask.
  [[nodiscard]] virtual bool interrupt_requested() const noexcept = 0;
};

}  // namespace joblib_mpi
