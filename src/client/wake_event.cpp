#include "client/wake_event.hpp"

#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>

namespace joblib_mpi {

WakeEvent::WakeEvent() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_.open()) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void WakeEvent::notify() noexcept {
  if (!notified_.exchange(true)) (void)eventfd_write(event_.get(), 1);
}

void WakeEvent::take() noexcept {
  if (!notified_.load()) return;
  eventfd_t count = 0;
  (void)eventfd_read(event_.get(), &count);
  notified_.store(false);
}

}  // namespace joblib_mpi
