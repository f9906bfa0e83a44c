#pragma once

#include <algorithm>
#include <chrono>

namespace joblib_mpi {

/// Converts a time to wait for sockets into the milliseconds that poll(2) takes, rounded up so that the wait is not
/// over too early. A time that is over gives 0; the wait must be shorter than a day.
[[nodiscard]] inline int poll_patience(std::chrono::steady_clock::duration patience) {
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(patience);
  return static_cast<int>(std::max(milliseconds, std::chrono::milliseconds{0}).count());
}

}  // namespace joblib_mpi
