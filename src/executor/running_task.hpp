#pragma once

#include <string>

namespace joblib_mpi {

/// Notes that this thread runs a task of `function`, which must outlive the object. If the task calls std::exit, which
/// ends its whole rank or executor process, a line on stderr names it.
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
