#pragma once

#include <chrono>

namespace joblib_mpi {

/// Chosen, not measured: longer than rank 0's thread for clients waits for anything, and short beside a call.
constexpr double default_link_heartbeat_seconds = 30;

/// Tells an end of a connection when it has to say that it is there, and whether the other end has been silent for too
/// long. Both ends must name the same heartbeat. The caller passes the time.
class LinkHeartbeat {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  LinkHeartbeat() = default;
  /// Allows a silence of `seconds`, or of any length if that is 0.
  explicit LinkHeartbeat(double seconds);

  /// Notes that something has arrived.
  void heard() noexcept { heard_ = true; }
  /// Notes that something was sent.
  void said() noexcept { said_ = true; }

  /// Returns whether something has to be sent because nothing was for a quarter of the heartbeat. To be called several
  /// times in that time, each time after what has come was read.
  [[nodiscard]] bool must_speak(TimePoint now);
  /// Returns whether the other end had been silent for the whole heartbeat at the last call of `must_speak`. Only time
  /// during which that is called counts: after a long pause of this process, bytes may be waiting unread.
  [[nodiscard]] bool is_overdue() const noexcept { return is_overdue_; }

 private:
  std::chrono::duration<double> patience_{};
  bool heard_ = true;
  bool said_ = true;
  bool is_overdue_ = false;
  TimePoint last_look_{};
  TimePoint heard_at_{};
  TimePoint said_at_{};
};

}  // namespace joblib_mpi
