#pragma once

#include "executor/executor.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// Gives tasks to the side that runs the user's functions, which runs a loop of `next_task` and `finish` on one thread.
class TaskPort {
 public:
  struct Work {
    std::optional<ExecutorTask> task = {};
    /// Objects that no later task uses; they are to be released before the task.
    std::vector<ObjectId> forgotten = {};
    bool closed = false;  ///< No more tasks follow; the loop should end.
  };

  TaskPort() = default;
  TaskPort(const TaskPort&) = delete;
  TaskPort& operator=(const TaskPort&) = delete;
  virtual ~TaskPort() = default;

  /// Waits for a task, for objects to forget, or for the end.
  [[nodiscard]] virtual Work next_task() = 0;
  /// Hands over the outcome of the last task that `next_task` returned.
  virtual void finish(ExecutedTask task) = 0;
  /// Returns whether the last task that `next_task` returned should end early. Thread-safe and async-signal-safe.
  [[nodiscard]] virtual bool interrupt_requested() const noexcept = 0;
  /// Returns the next item of the batch that `next_task` returned last, which must run now, or nothing: the others of
  /// the batch run elsewhere, or have run.
  [[nodiscard]] virtual std::optional<std::uint32_t> next_item() = 0;
  /// Returns writable bytes of an object that a task uses: a page is copied when it is written, so other users are not
  /// affected. Returns nothing where that is not possible; the caller then makes a copy. Throws std::system_error.
  [[nodiscard]] virtual std::optional<SharedBytes> copy_on_write(ByteView) const { return std::nullopt; }
};

}  // namespace joblib_mpi
