#include "core/wake_flag.hpp"

#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace joblib_mpi {

void WakeFlag::notify() noexcept {
  if (word_.exchange(notified, std::memory_order_seq_cst) != asleep) return;
  syscall(SYS_futex, &word_, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

bool WakeFlag::take() noexcept {
  return word_.load(std::memory_order_relaxed) == notified &&
         word_.exchange(quiet, std::memory_order_acquire) == notified;
}

bool WakeFlag::wait_for(std::chrono::nanoseconds pause) noexcept {
  std::uint32_t expected = quiet;
  if (word_.compare_exchange_strong(expected, asleep, std::memory_order_seq_cst)) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(pause);
    const timespec timeout{static_cast<std::time_t>(seconds.count()), static_cast<long>((pause - seconds).count())};
    // A signal ends the wait early, too; the caller polls again, as after any pause.
    syscall(SYS_futex, &word_, FUTEX_WAIT, asleep, &timeout, nullptr, 0);
  }
  return word_.exchange(quiet, std::memory_order_seq_cst) == notified;
}

}  // namespace joblib_mpi
