#pragma once

#include <cstddef>

namespace joblib_mpi {

/// Marks that this thread runs a task: while it lives, nested calls run one after another on this thread unless they
/// name a backend, and no `parallel_config` of the surrounding program applies. Made and destroyed by one thread.
class [[nodiscard]] TaskScope {
 public:
  TaskScope() noexcept { ++depth_; }
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope() { --depth_; }

  /// Returns how many tasks this thread is inside of: 0 outside of tasks, 2 in a task that a task's nested call runs.
  [[nodiscard]] static std::size_t depth() noexcept { return depth_; }

 private:
  static inline thread_local std::size_t depth_ = 0;
};

}  // namespace joblib_mpi
