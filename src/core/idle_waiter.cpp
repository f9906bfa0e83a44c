#include "core/idle_waiter.hpp"

#include "core/clock_duration.hpp"

#include <algorithm>
#include <sched.h>

namespace joblib_mpi {
namespace {

constexpr std::chrono::microseconds first_pause{20};

}  // namespace

IdleWaiter::IdleWaiter(const Settings& settings, bool has_own_core)
    : IdleWaiter(settings, has_own_core, own_wake_flag_) {}

IdleWaiter::IdleWaiter(const Settings& settings, bool has_own_core, WakeFlag& wake_flag)
    : spin_(has_own_core ? clock_duration(settings.spin_seconds) : std::chrono::nanoseconds{0}),
      yield_(clock_duration(settings.spin_seconds)),
      longest_pause_(clock_duration(settings.max_sleep_seconds)),
      has_own_core_(has_own_core),
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
    pause_ = first_pause;
  }
  const auto idle = now - idle_since_;
  if (idle < spin_) return;
  spinning_ = false;
  if (idle < spin_ + yield_) {
    sched_yield();
    return;
  }
  if (wake_flag_->wait_for(pause_)) {
    reset();
  } else {
    pause_ = std::min(2 * pause_, longest_pause_);
  }
}

bool IdleWaiter::sleep() {
  return wake_flag_->wait_for(longest_pause_);
}

}  // namespace joblib_mpi
