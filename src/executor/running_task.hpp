#pragma once

#include <string>

namespace joblib_mpi {

/// Notes that this thread runs a task of `function`, whose name must stay as long as the process. If the task, or
/// another thread while it runs, calls std::exit or std::quick_exit, which end its whole rank or executor process, a
/// line on stderr names it.
class RunningTask {
 public:
  explicit RunningTask(const std::string& function);
  RunningTask(const RunningTask&) = delete;
  RunningTask& operator=(const RunningTask&) = delete;
  ~RunningTask();

  /// Returns whether this thread runs a task.
  [[nodiscard]] static bool on_this_thread() noexcept;
};

}  // namespace joblib_mpi
