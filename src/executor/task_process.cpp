#include "executor/task_process.hpp"

#include <cstdio>
#include <iostream>
#include <pthread.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

void write_out() {
  std::cout.flush();
  std::fflush(stdout);
}

}  // namespace

TaskProcess::TaskProcess() : process_(getpid()) {
  [[maybe_unused]] static const int registered = pthread_atfork(write_out, nullptr, nullptr);
}

bool TaskProcess::is_here() const noexcept {
  return getpid() == process_;
}

void TaskProcess::end_children(int status) const {
  if (is_here()) return;
  write_out();
  _exit(status);
}

}  // namespace joblib_mpi
