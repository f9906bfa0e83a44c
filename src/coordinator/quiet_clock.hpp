#pragma once

#include <chrono>
#include <optional>

namespace joblib_mpi {

/// Finds lulls: times of a certain length in which nothing happens.
class QuietClock {
 public:
  using Clock = std::chrono::steady_clock;

  explicit QuietClock(std::chrono::duration<double> lull) : lull_(lull) {}

  /// Returns whether it has been quiet for a lull, after which the next one begins. To be called often.
  [[nodiscard]] bool is_lull(bool quiet, Clock::time_point now) {
    if (!quiet) {
      since_.reset();
    } else if (!since_) {
      since_ = now;
    } else if (now - *since_ >= lull_) {
      since_.reset();
      return true;
    }
    return false;
  }

 private:
  std::chrono::duration<double> lull_;
  std::optional<Clock::time_point> since_;
};

}  // namespace joblib_mpi
