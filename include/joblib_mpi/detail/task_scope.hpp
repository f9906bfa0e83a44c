#pragma once

#include <memory>

namespace joblib_mpi::detail {

/// Marks that this thread runs a task: while it lives, nested calls run one after another on this thread unless they
/// name a backend, and no `parallel_config` of the surrounding program applies.
class [[nodiscard]] TaskScope {
 public:
  TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();

 private:
  std::shared_ptr<const void> outer_;
};

}  // namespace joblib_mpi::detail
