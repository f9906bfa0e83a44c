#include "executor/zygote_keeper.hpp"

#include "executor/child_signals.hpp"
#include "executor/zygote_process.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <poll.h>
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
    : region_(&region), requests_(std::move(requests)), options_(std::move(options)), rank_(rank_process) {}

std::unique_ptr<ExecutorPort> ZygoteKeeper::run() {
  region_->keeper_pid = getpid();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) std::signal(signal, SIG_IGN);
  child_signals_ = block_child_signals(mask_before_);
  while (true) {
    wait_for_event();
    reap();
    if (handle_requests()) {
      return ZygoteProcess(*region_, std::move(zygote_socket_), std::move(options_), std::move(rank_)).run();
    }
  }
}

void ZygoteKeeper::wait_for_event() {
  pollfd events[] = {{requests_.get(), POLLIN, 0}, {child_signals_.get(), POLLIN, 0}, {rank_.descriptor(), POLLIN, 0}};
  poll(events, std::size(events), rank_.longest_pause_milliseconds());
  forget_signals(child_signals_);
  if (rank_.has_ended()) end_with_rank();
}

bool ZygoteKeeper::handle_requests() {
  KeeperRequest request{};
  while (auto received = receive_message(requests_, std::as_writable_bytes(std::span(&request, 1)), false)) {
    if (received->bytes == 0) end_with_rank();
    if (request == KeeperRequest::kill) {
      if (zygote_ != 0) kill(zygote_, SIGKILL);
      continue;
    }
    zygote_socket_ = std::move(received->descriptor);
    if (fork_zygote()) return true;
    zygote_socket_.close();
  }
  return false;
}

bool ZygoteKeeper::fork_zygote() {
  std::fflush(nullptr);
  if (options_.hooks.before) options_.hooks.before();
  const pid_t child = fork();
  if (child == 0) {
    requests_.close();
    child_signals_.close();
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    return true;
  }
  const int error = errno;
  if (options_.hooks.in_parent) options_.hooks.in_parent();
  if (child < 0) {
    region_->zygote_fork_error = error;
  } else {
    zygote_ = child;
    region_->zygote_pid = child;
    ++region_->zygotes;
  }
  region_->page.wake_flag.notify();
  return false;
}

void ZygoteKeeper::reap() {
  int status = 0;
  for (pid_t child = 0; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (child != zygote_) continue;
    zygote_ = 0;
    region_->zygote_wait_status = status;
    region_->zygote_pid = 0;
    region_->page.wake_flag.notify();
  }
}

void ZygoteKeeper::end_with_rank() {
  if (region_->zygote_state == 0 && zygote_ != 0)
    kill(zygote_, SIGKILL);  // it would needlessly complete its preparation
  const auto give_up = std::chrono::steady_clock::now() + longest_farewell;
  for (reap(); zygote_ != 0; reap()) {
    if (std::chrono::steady_clock::now() > give_up) kill(zygote_, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  _exit(EXIT_SUCCESS);
}

}  // namespace joblib_mpi
