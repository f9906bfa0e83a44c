#pragma once

#include "core/task_ending.hpp"

namespace joblib_mpi {

/// How often a task of one call may be tried.
struct RetryPolicy {
  unsigned retries = 0;
  bool retry_exceptions = false;

  /// Whether a task that has had `attempts` may have one more.
  [[nodiscard]] bool allows_more(unsigned attempts) const noexcept { return attempts <= retries; }
  /// Whether a task that has had `attempts` runs again after the last one ended so.
  [[nodiscard]] bool runs_again(TaskEnding ending, unsigned attempts) const noexcept {
    const bool failed = ending == TaskEnding::lost || ending == TaskEnding::timed_out ||
                        (ending == TaskEnding::raised && retry_exceptions);
    return failed && allows_more(attempts);
  }
};

}  // namespace joblib_mpi
