#include "terminal/foreground.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace joblib_mpi::launch {

Foreground::Foreground() : terminal_(open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
  termios modes{};
  if (terminal_.open() && tcgetattr(terminal_.get(), &modes) == 0) modes_ = modes;
}

bool Foreground::is_ours() const {
  return is_of(getpgrp());
}

bool Foreground::is_of(pid_t group) const {
  return terminal_.open() && tcgetpgrp(terminal_.get()) == group;
}

void Foreground::give_to(pid_t group) const {
  if (terminal_.open()) tcsetpgrp(terminal_.get(), group);
}

void Foreground::take_back_from(pid_t group) const {
  if (is_of(group)) give_to(getpgrp());
}

void Foreground::restore_modes() const {
  if (modes_) tcsetattr(terminal_.get(), TCSADRAIN, &*modes_);
}

}  // namespace joblib_mpi::launch
