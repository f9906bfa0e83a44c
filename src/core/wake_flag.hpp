#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace joblib_mpi {

/// Wakes one waiting thread, of this process or of another that shares the flag's memory. A notification is remembered
/// until it is taken; several of them before that count as one. The flag stays usable if a process dies while it uses
/// it.
class WakeFlag {
 public:
  /// Notifies the waiting thread. Any thread of any process may call this. It makes a system call only if the waiter is
  /// asleep.
  void notify() noexcept;
  /// Takes the notification and returns true, or returns false if there is none. Only the waiting thread may call this
  /// and `wait_for`.
  [[nodiscard]] bool take() noexcept;
  /// Sleeps until there is a notification, takes it and returns true; returns false once `pause` is over.
  bool wait_for(std::chrono::nanoseconds pause) noexcept;

 private:
  static constexpr std::uint32_t quiet = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t notified = 2;

  std::atomic<std::uint32_t> word_{quiet};
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4,
                "the word is a futex that processes share");
};

}  // namespace joblib_mpi
