#pragma once

#include <cstdint>

namespace joblib_mpi {

/// The way in which a task ended on its worker.
enum class TaskEnding : std::uint8_t {
  returned,      ///< the result is what the function returned
  raised,        ///< the result is the exception that the function raised
  cancelled,     ///< the task is not wanted any more, or its call starts no more tasks; there is no result
  lost,          ///< its executor ended before the task did; the result's head says how, as text: "signal 11 (SIGSEGV)"
  timed_out,     ///< the task exceeded its time limit; the result's head says so, as text
  spilled,       ///< the function returned, and the result's head is the handle of the file with the result
  spill_failed,  ///< the function returned, but neither a file nor memory could take the result; its head says why, as
                 ///< text
  no_room,  ///< the function ended, but its executor or rank 0 had no memory for the result; its head says how much
            ///< was needed, as text
};

/// Returns whether a number that has come from another process is a TaskEnding.
[[nodiscard]] constexpr bool is_task_ending(TaskEnding ending) noexcept {
  return ending <= TaskEnding::no_room;
}

/// The fate of a running task whose call is cancelled.
enum class WhatRuns : std::uint8_t { is_interrupted, goes_on };

/// The limits of a task. 0 means no limit.
struct TaskLimits {
  double seconds = 0;
  std::uint64_t memory_bytes = 0;      ///< of the executor process; not enforced where the rank itself runs the task
  std::uint64_t spill_over_bytes = 0;  ///< a larger result goes to a file
  std::uint64_t memory_left_bytes =
      0;  ///< memory of rank 0 for a result whose file cannot be written; here 0 means none
};

}  // namespace joblib_mpi
