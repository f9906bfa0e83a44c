#pragma once

#include "executor/executor.hpp"

#include <optional>
#include <vector>

namespace joblib_mpi {

/// Where the side that runs the user's functions takes its tasks: in a loop of `next_task` and `finish`, on one thread.
class TaskPort {
 public:
  struct Work {
    std::optional<ExecutorTask> task = {};
    std::vector<ObjectId> forgotten = {};  ///< objects that nobody will name again, to be let go before the task
    bool closed = false;                   ///< there will never be another task, leave the loop
  };

  TaskPort() = default;
  TaskPort(const TaskPort&) = delete;
  TaskPort& operator=(const TaskPort&) = delete;
  virtual ~TaskPort() = default;

  /// Waits for a task, for objects to forget, or for the end.
  [[nodiscard]] virtual Work next_task() = 0;
  /// Hands over what came of the last task that `next_task` gave.
  virtual void finish(ExecutedTask task) = 0;
  /// Whether the last task that `next_task` gave should end early. Any thread and signal handlers may ask.
  [[nodiscard]] virtual bool interrupt_requested() const noexcept = 0;
  /// Bytes of an object that a task names, to be written to without harm to anybody else: each page is copied when it
  /// is. Nothing where that cannot be had; make a copy then. Throws std::system_error.
  [[nodiscard]] virtual std::optional<SharedBytes> copy_on_write(ByteView) const { return std::nullopt; }
};

}  // namespace joblib_mpi
