#include "executor/running_task.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

thread_local const std::string* running = nullptr;
/// The function of the task that this process began last; null once that has ended.
std::atomic<const std::string*> latest = nullptr;

void name_running_task() {
  const std::string* function = running != nullptr ? running : latest.load();
  if (function == nullptr) return;
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  const char* text =
      running != nullptr
          ? "joblib_mpi: a task of \"%s\" has called exit() in process %d on %s, which ends the process; let "
            "the task return or throw instead\n"
          : "joblib_mpi: another thread has called exit() while a task of \"%s\" ran in process %d on %s, "
            "which ends the process\n";
  std::fprintf(stderr, text, function->c_str(), static_cast<int>(getpid()), host.data());
}

}  // namespace

RunningTask::RunningTask(const std::string& function) {
  [[maybe_unused]] static const int registered =
      std::atexit(&name_running_task) + std::at_quick_exit(&name_running_task);
  running = &function;
  latest.store(&function, std::memory_order_relaxed);
}

RunningTask::~RunningTask() {
  const std::string* ended = std::exchange(running, nullptr);
  latest.compare_exchange_strong(ended, nullptr, std::memory_order_relaxed);
}

bool RunningTask::on_this_thread() noexcept {
  return running != nullptr;
}

}  // namespace joblib_mpi
