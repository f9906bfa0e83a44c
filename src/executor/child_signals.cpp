#include "executor/child_signals.hpp"

#include <csignal>
#include <sys/signalfd.h>
#include <unistd.h>

namespace joblib_mpi {

Descriptor block_child_signals(sigset_t& mask_before) {
  sigset_t child_ends;
  sigemptyset(&child_ends);
  sigaddset(&child_ends, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_ends, &mask_before);
  return Descriptor(signalfd(-1, &child_ends, SFD_CLOEXEC | SFD_NONBLOCK));
}

void forget_signals(const Descriptor& signals) {
  signalfd_siginfo signal{};
  while (read(signals.get(), &signal, sizeof signal) > 0) {
  }
}

}  // namespace joblib_mpi
