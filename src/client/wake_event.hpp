#pragma once

#include "segments/descriptor.hpp"

#include <atomic>

namespace joblib_mpi {

/// Wakes a thread that waits for sockets with poll(2). Several notifications before it has looked count as one.
class WakeEvent {
 public:
  /// Throws std::system_error if the system has no descriptor left.
  WakeEvent();

  /// Wakes the thread, or lets it not wait the next time. Any thread may call this.
  void notify() noexcept;
  /// Takes the notification. To be called before the thread looks at what others have left for it.
  void take() noexcept;
  /// Returns the descriptor, which is readable while there is a notification.
  [[nodiscard]] const Descriptor& descriptor() const noexcept { return event_; }

 private:
  Descriptor event_;
  std::atomic<bool> notified_{false};
};

}  // namespace joblib_mpi
