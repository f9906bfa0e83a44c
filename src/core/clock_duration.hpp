#pragma once

#include <chrono>

namespace joblib_mpi {

/// Converts a number of seconds, such as a setting, into a duration of the clock for waiting.
[[nodiscard]] inline std::chrono::steady_clock::duration clock_duration(double seconds) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace joblib_mpi
