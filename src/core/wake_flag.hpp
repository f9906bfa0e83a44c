#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace joblib_mpi {

/// Wakes one waiting thread, of this process or of another that shares the flag's memory. A notification is remembered
/// until it is taken; several before that are one. A process that dies while it uses the flag leaves it usable.
class WakeFlag {
 public:
  /// From any thread or process. A system call only if the waiter is asleep.
  void notify() noexcept;
  /// Takes the notification, if there is one. Only the waiting thread may call this and `wait_for`.
  [[nodiscard]] bool take() noexcept;
  /// Sleeps until there is a notification, which it takes, or until `pause` is over: then false.
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
