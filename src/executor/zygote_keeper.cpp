#include "executor/zygote_keeper.hpp"

#include "core/process_watch.hpp"
#include "executor/zygote_process.hpp"

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sched.h>
#include <span>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

/// The time that a zygote has to leave after the death of its rank. It may wait for three seconds for processes that
/// tasks have left behind.
constexpr std::chrono::seconds longest_farewell{5};

}  // namespace

ZygoteKeeper::ZygoteKeeper(SharedRegion& region, Descriptor requests, ZygoteOptions options, pid_t rank_process)
    : region_(&region), requests_(std::move(requests)), options_(std::move(options)), rank_process_(rank_process) {}

std::unique_ptr<ExecutorPort> ZygoteKeeper::run() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) std::signal(signal, SIG_IGN);
  if (options_.hooks.in_child) options_.hooks.in_child();
  while (true) {
    std::byte request{};
    auto received = receive_message(requests_, std::span(&request, 1), true);
    if (!received || received->bytes == 0) end_with_rank();
    if (fork_zygote()) {
      requests_.close();
      return ZygoteProcess(*region_, std::move(received->descriptor), std::move(options_), rank_process_).run();
    }
  }
}

void ZygoteKeeper::end_with_rank() {
  const pid_t zygote = region_->zygote_pid;
  const auto give_up = std::chrono::steady_clock::now() + longest_farewell;
  while (zygote != 0 && !has_ended(zygote)) {
    if (std::chrono::steady_clock::now() > give_up) kill(zygote, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  _exit(EXIT_SUCCESS);
}

bool ZygoteKeeper::fork_zygote() {
  std::fflush(nullptr);
  if (options_.hooks.before) options_.hooks.before();
  const pid_t between = fork();
  if (between == 0) {
    // Once this process has ended, its child is the rank's.
    if (fork() != 0) _exit(EXIT_SUCCESS);
    while (getppid() != rank_process_) {
      if (kill(rank_process_, 0) != 0) _exit(EXIT_FAILURE);
      sched_yield();
    }
    region_->zygote_pid = getpid();
    return true;
  }
  if (between > 0) waitpid(between, nullptr, 0);
  if (options_.hooks.in_parent) options_.hooks.in_parent();
  return false;
}

}  // namespace joblib_mpi
