#include "core/idle_waiter.hpp"

#include "core/clock_duration.hpp"

#include <algorithm>
#include <sched.h>

namespace joblib_mpi {
namespace {

constexpr std::chrono::microseconds first_pause{20};

/// A pause is at most the time for which the loop has been idle divided by this, so what it misses comes hardly later.
constexpr int idle_per_pause = 4;
/// The divisor of pauses beyond `max_sleep_seconds`, for messages of ranks that cannot wake this one. Chosen, not
/// measured: after a second of idleness such a message waits for up to 10 ms.
constexpr int idle_per_long_pause = 100;

}  // namespace

IdleWaiter::IdleWaiter(const Settings& settings, bool has_own_core)
    : IdleWaiter(settings, has_own_core, own_wake_flag_) {}

IdleWaiter::IdleWaiter(const Settings& settings, bool has_own_core, WakeFlag& wake_flag, WokenBy woken_by)
    : spin_(has_own_core ? clock_duration(settings.spin_seconds) : std::chrono::nanoseconds{0}),
      yield_(clock_duration(settings.spin_seconds)),
      pause_between_looks_(clock_duration(settings.max_sleep_seconds)),
      longest_pause_(clock_duration(longest_pause_seconds(settings))),
      has_own_core_(has_own_core),
      woken_by_(woken_by),
      spinning_(has_own_core),
      wake_flag_(&wake_flag) {}

void IdleWaiter::wait_slowly() {
  if (wake_flag_->take()) {
    reset();
    return;
  }
  const Clock::time_point now = Clock::now();
  if (!idle_) {
    idle_ = true;
    idle_since_ = now;
  }
  const auto idle = now - idle_since_;
  if (idle < spin_) return;
  spinning_ = false;
  if (idle < spin_ + yield_) {
    sched_yield();
    return;
  }
  const std::chrono::nanoseconds longest =
      woken_by_ == WokenBy::all_ranks
          ? longest_pause_
          : std::clamp<std::chrono::nanoseconds>(idle / idle_per_long_pause, pause_between_looks_, longest_pause_);
  const std::chrono::nanoseconds pause = std::max<std::chrono::nanoseconds>(idle / idle_per_pause, first_pause);
  if (wake_flag_->wait_for(std::min(pause, longest))) reset();
}

}  // namespace joblib_mpi
