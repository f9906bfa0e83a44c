#include "executor/running_task.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace joblib_mpi {
namespace {

thread_local const std::string* running = nullptr;

void name_running_task() {
  if (running == nullptr) return;
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::fprintf(
      stderr,
      "joblib_mpi: a task of \"%s\" has called exit() in process %d on %s, which ends the process; let the task "
      "return or throw instead\n",
      running->c_str(), static_cast<int>(getpid()), host.data());
}

}  // namespace

RunningTask::RunningTask(const std::string& function) {
  [[maybe_unused]] static const int registered = std::atexit(&name_running_task);
  running = &function;
}

RunningTask::~RunningTask() {
  running = nullptr;
}

bool RunningTask::on_this_thread() noexcept {
  return running != nullptr;
}

}  // namespace joblib_mpi
