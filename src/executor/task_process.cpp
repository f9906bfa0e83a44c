#include "executor/task_process.hpp"

#include <csignal>
#include <cstdio>
#include <iostream>
#include <pthread.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

volatile std::sig_atomic_t forks_to_here = 0;

void count_in_child() {
  forks_to_here = forks_to_here + 1;
}

void write_out() {
  std::cout.flush();
  std::fflush(stdout);
}

}  // namespace

TaskProcess::TaskProcess() : forks_(forks_to_here) {
  [[maybe_unused]] static const int registered = pthread_atfork(write_out, nullptr, count_in_child);
}

bool TaskProcess::is_here() const noexcept {
  return forks_to_here == forks_;
}

void TaskProcess::end_children(int status) const {
  if (is_here()) return;
  write_out();
  _exit(status);
}

}  // namespace joblib_mpi
