#include "core/idle_waiter.hpp"

#include <algorithm>
#include <sched.h>

namespace joblib_mpi {
namespace {

std::chrono::nanoseconds to_duration(double seconds) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

constexpr std::chrono::microseconds first_pause{20};

}  // namespace

IdleWaiter::IdleWaiter(const Settings& settings, bool has_own_core)
    : spin_(has_own_core ? to_duration(settings.spin_seconds) : std::chrono::nanoseconds{0}),
      yield_(to_duration(settings.spin_seconds)),
      longest_pause_(to_duration(settings.max_sleep_seconds)),
      has_own_core_(has_own_core),
      spinning_(has_own_core) {}

void IdleWaiter::wait_slowly() {
  if (notified_.exchange(false, std::memory_order_acquire)) {
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
  if (sleep_for(pause_)) {
    reset();
  } else {
    pause_ = std::min(2 * pause_, longest_pause_);
  }
}

bool IdleWaiter::sleep() {
  return sleep_for(longest_pause_);
}

bool IdleWaiter::sleep_for(std::chrono::nanoseconds pause) {
  std::unique_lock lock(mutex_);
  asleep_.store(true, std::memory_order_seq_cst);
  if (!notified_.load(std::memory_order_seq_cst)) wake_.wait_for(lock, pause);
  asleep_.store(false, std::memory_order_relaxed);
  return notified_.exchange(false, std::memory_order_acquire);
}

void IdleWaiter::notify() {
  notified_.store(true, std::memory_order_seq_cst);
  if (!asleep_.load(std::memory_order_seq_cst)) return;
  const std::lock_guard lock(mutex_);
  wake_.notify_one();
}

}  // namespace joblib_mpi
