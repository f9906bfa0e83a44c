#include "core/broken_pipe_guard.hpp"

#include <csignal>
#include <mutex>

namespace joblib_mpi {
namespace {

std::mutex guards_mutex;
int living_guards = 0;

/// Unlike SIG_IGN, a handler is not inherited by a program that this process starts.
void go_on(int) {}

bool acts_on_broken_pipes(void (*handler)(int)) {
  struct sigaction now {};
  return sigaction(SIGPIPE, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == handler;
}

void act_on_broken_pipes(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace

BrokenPipeGuard::BrokenPipeGuard() {
  const std::lock_guard lock(guards_mutex);
  ++living_guards;
  if (acts_on_broken_pipes(SIG_DFL)) act_on_broken_pipes(go_on);
}

BrokenPipeGuard::~BrokenPipeGuard() {
  const std::lock_guard lock(guards_mutex);
  if (--living_guards == 0 && acts_on_broken_pipes(go_on)) act_on_broken_pipes(SIG_DFL);
}

}  // namespace joblib_mpi
