#pragma once

#include <chrono>
#include <optional>

namespace joblib_mpi::launch {

/// Decides which interrupt ends a job: one that follows another within a second.
class InterruptCount {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Notes an interrupt at the time `now` and returns whether it ends the job.
  [[nodiscard]] bool note(Time now) {
    const bool ends = last_ && now - *last_ < std::chrono::seconds{1};
    last_ = now;
    return ends;
  }

 private:
  std::optional<Time> last_;
};

}  // namespace joblib_mpi::launch
