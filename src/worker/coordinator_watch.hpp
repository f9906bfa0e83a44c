#pragma once

#include <chrono>

namespace joblib_mpi {

/// Detects, on a worker, that rank 0 has fallen silent. Rank 0 sends pings to silent workers every quarter of a
/// heartbeat; if it does so regardless of what its program is doing, its own silence means that it is gone. The caller
/// supplies the time.
class CoordinatorWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Allows a silence of nine times `heartbeat_seconds`, or of any length if that is 0. A pause of rank 0, for example
  /// while its host swaps, costs the job, so the limit is far above the one for workers, which may come back.
  explicit CoordinatorWatch(double heartbeat_seconds);

  /// Notes that a message has arrived from rank 0.
  void heard() noexcept { heard_ = true; }
  /// Notes that rank 0 always sends pings. Before this its silence means nothing.
  void begin() noexcept { begun_ = true; }

  /// Returns whether rank 0 has been silent for too long. Only time during which this function is called counts: after
  /// a long pause of this process, messages of rank 0 may be waiting unread.
  [[nodiscard]] bool is_overdue(TimePoint now);
  /// Returns the length of silence that is allowed, in seconds.
  [[nodiscard]] double patience_seconds() const { return patience_.count(); }

 private:
  std::chrono::duration<double> patience_;
  bool begun_ = false;
  bool heard_ = true;
  TimePoint last_look_{};
  TimePoint silent_since_{};
};

}  // namespace joblib_mpi
