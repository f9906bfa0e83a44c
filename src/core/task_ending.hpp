#pragma once

#include <cstdint>

namespace joblib_mpi {

/// What came of a task on its worker.
enum class TaskEnding : std::uint8_t {
  returned,      ///< the result is what the function returned
  raised,        ///< the result is its exception
  cancelled,     ///< nobody wants it any more, or its call starts no more tasks; there is no result
  lost,          ///< what ran it ended before the task did; the result's head says how, as text: "signal 11 (SIGSEGV)"
  timed_out,     ///< it took longer than its limit; the result's head says so, as text
  spilled,       ///< it returned, and the result's head is the handle of the file that has the result
  spill_failed,  ///< it returned, but there was neither a file nor memory for the result; its head says why, as text
};

/// What becomes of a task that runs when its call is cancelled.
enum class WhatRuns : std::uint8_t { is_interrupted, goes_on };

/// What a task may use. Zero is no limit.
struct TaskLimits {
  double seconds = 0;
  std::uint64_t memory_bytes = 0;       ///< of the process that runs it; only where that is not the rank itself
  std::uint64_t spill_over_bytes = 0;   ///< a larger result goes to a file
  std::uint64_t memory_left_bytes = 0;  ///< that rank 0 has for a result whose file cannot be written; here 0 is none
};

}  // namespace joblib_mpi
