#pragma once

#include "core/settings.hpp"
#include "core/wake_flag.hpp"

#include <chrono>

namespace joblib_mpi {

/// Decides how a polling loop waits for traffic: it first polls without a pause, then yields its core between polls,
/// then sleeps for a quarter of the time for which it has been idle. Traffic or a call of `notify` starts this sequence
/// again.
class IdleWaiter {
 public:
  /// The ranks that wake this one for the messages that they send to it. Without them it looks for messages sooner.
  enum class WokenBy { none, all_ranks };
  /// Makes a waiter. Without a core to itself the loop never spins, since it would take the time from the rank it
  /// waits for.
  IdleWaiter(const Settings& settings, bool has_own_core);
  /// Makes a waiter that is also woken by notifications of `wake_flag`, which must outlive it.
  IdleWaiter(const Settings& settings, bool has_own_core, WakeFlag& wake_flag, WokenBy woken_by = WokenBy::none);
  IdleWaiter(const IdleWaiter&) = delete;
  IdleWaiter& operator=(const IdleWaiter&) = delete;

  /// Notes that a poll has found something.
  void reset() noexcept {
    idle_ = false;
    spinning_ = has_own_core_;
  }

  /// Notes that a poll has found nothing, and returns when it is time to poll again. Only the polling thread may call
  /// it.
  void wait() {
    // The clock is read only at every 64th poll, so that most of the time goes into polling.
    if (spinning_ && (++looks_ % 64) != 0) return;
    wait_slowly();
  }

  /// Wakes the polling thread. Thread-safe, and cheap while that thread is awake.
  void notify() noexcept { wake_flag_->notify(); }

 private:
  using Clock = std::chrono::steady_clock;

  void wait_slowly();

  const std::chrono::nanoseconds spin_;
  const std::chrono::nanoseconds yield_;
  const std::chrono::nanoseconds pause_between_looks_;
  const std::chrono::nanoseconds longest_pause_;
  const bool has_own_core_;
  const WokenBy woken_by_;
  bool spinning_;
  unsigned looks_ = 0;
  bool idle_ = false;
  Clock::time_point idle_since_;  // if idle_

  WakeFlag own_wake_flag_;
  WakeFlag* wake_flag_;
};

}  // namespace joblib_mpi
