#pragma once

#include "core/task_ending.hpp"

namespace joblib_mpi {

/// Says how often a task of one call may be tried.
struct RetryPolicy {
  unsigned retries = 0;
  bool retry_exceptions = false;

  /// Returns whether a task that has had `attempts` may have one more.
  [[nodiscard]] bool allows_more(unsigned attempts) const noexcept { return attempts <= retries; }
  /// Returns whether a task that has had `attempts`, the last of which ended with `ending`, runs again.
  [[nodiscard]] bool runs_again(TaskEnding ending, unsigned attempts) const noexcept {
    const bool failed = ending == TaskEnding::lost || ending == TaskEnding::timed_out ||
                        (ending == TaskEnding::raised && retry_exceptions);
    return failed && allows_more(attempts);
  }
};

}  // namespace joblib_mpi
