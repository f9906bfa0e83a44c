#pragma once

#include <chrono>

namespace joblib_mpi {

/// Notices that rank 0 has fallen silent, on a worker. Rank 0 asks workers that are silent for a sign every quarter of
/// a heartbeat; where it does so whatever its program is doing, its own silence means that it is gone. The clock
/// belongs to the caller.
class CoordinatorWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Patient for three times `heartbeat_seconds`, or for ever if that is 0.
  explicit CoordinatorWatch(double heartbeat_seconds);

  /// Anything has arrived from rank 0.
  void heard() noexcept { heard_ = true; }
  /// Rank 0 has said that it always asks. Until then its silence means nothing.
  void begin() noexcept { begun_ = true; }

  /// Whether rank 0 has been silent for too long. Only time in which this is called counts: after a long pause of this
  /// process rank 0's messages may lie unread.
  [[nodiscard]] bool is_overdue(TimePoint now);
  [[nodiscard]] double patience_seconds() const { return patience_.count(); }

 private:
  std::chrono::duration<double> patience_;
  bool begun_ = false;
  bool heard_ = true;
  TimePoint last_look_{};
  TimePoint silent_since_{};
};

}  // namespace joblib_mpi
