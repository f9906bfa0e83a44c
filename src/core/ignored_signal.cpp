#include "core/ignored_signal.hpp"

#include <csignal>

namespace joblib_mpi {
namespace {

bool has_action(int number, void (*handler)(int)) {
  struct sigaction now {};
  return sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == handler;
}

}  // namespace

IgnoredSignal::IgnoredSignal(int number) : number_(number), ignored_(has_action(number, SIG_DFL)) {
  if (ignored_) std::signal(number_, SIG_IGN);
}

void IgnoredSignal::heed() {
  if (ignored_ && has_action(number_, SIG_IGN)) std::signal(number_, SIG_DFL);
  ignored_ = false;
}

}  // namespace joblib_mpi
