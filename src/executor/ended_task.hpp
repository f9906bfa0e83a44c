#pragma once

#include "executor/executor.hpp"

#include <cstdio>
#include <string>
#include <string_view>

namespace joblib_mpi {

/// Returns the text of the result of a task that timed out.
[[nodiscard]] inline std::string time_limit_text(double limit_seconds) {
  char text[64];
  std::snprintf(text, sizeof text, "ran longer than its limit of %g s", limit_seconds);
  return text;
}

/// Returns a task that ended without returning a result; the reason becomes its result.
[[nodiscard]] inline ExecutedTask ended_task(TaskId task, TaskEnding ending, std::string_view reason, double seconds) {
  return {task, ending, seconds, Payload{std::as_bytes(std::span(reason)), {}}};
}

}  // namespace joblib_mpi
