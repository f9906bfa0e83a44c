#pragma once

#include "core/settings.hpp"
#include "core/wake_flag.hpp"

#include <chrono>

namespace joblib_mpi {

/// How a polling loop waits for traffic: it looks again at once for a moment, then gives its core away between looks,
/// then sleeps for pauses that double up to a limit. Any traffic, or `notify`, starts it over.
class IdleWaiter {
 public:
  /// Without a core of its own a loop never spins: the time would be taken from the rank it waits for.
  IdleWaiter(const Settings& settings, bool has_own_core);
  /// The same; whoever notifies `wake_flag` wakes the loop, too. The flag must outlive the waiter.
  IdleWaiter(const Settings& settings, bool has_own_core, WakeFlag& wake_flag);
  IdleWaiter(const IdleWaiter&) = delete;
  IdleWaiter& operator=(const IdleWaiter&) = delete;

  /// After a look that found something.
  void reset() noexcept {
    idle_ = false;
    spinning_ = has_own_core_;
  }

  /// After a look that found nothing. Returns when it is time to look again. Only the polling thread may call it.
  void wait() {
    // The clock is read only at each 64th look, so that looking stays most of the work.
    if (spinning_ && (++looks_ % 64) != 0) return;
    wait_slowly();
  }

  /// Sleeps for the longest pause, whatever has happened before; true if `notify` ended it.
  bool sleep();

  /// From any thread: there is something to look at. Cheap while the polling thread is awake.
  void notify() noexcept { wake_flag_->notify(); }

 private:
  using Clock = std::chrono::steady_clock;

  void wait_slowly();

  const std::chrono::nanoseconds spin_;
  const std::chrono::nanoseconds yield_;
  const std::chrono::nanoseconds longest_pause_;
  const bool has_own_core_;
  bool spinning_;
  unsigned looks_ = 0;
  bool idle_ = false;
  Clock::time_point idle_since_;  // if idle_
  std::chrono::nanoseconds pause_{};

  WakeFlag own_wake_flag_;
  WakeFlag* wake_flag_;
};

}  // namespace joblib_mpi
