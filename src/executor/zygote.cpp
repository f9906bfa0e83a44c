#include "executor/zygote.hpp"

#include "core/open_files.hpp"
#include "core/process_watch.hpp"
#include "executor/process_tree.hpp"
#include "executor/zygote_keeper.hpp"
#include "executor/zygote_process.hpp"
#include <joblib_mpi/error.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

/// The longest time that a leaving rank waits for its zygote to end the processes that are left.
constexpr int longest_farewell_milliseconds = 5000;

/// The longest time for a new zygote in place of one that was killed. Chosen, not measured.
constexpr std::chrono::seconds longest_start_again{10};

/// Waits for the other end to be closed, for at most `milliseconds`, and returns whether it is.
bool is_closed(const Descriptor& socket, int milliseconds) {
  pollfd event{socket.get(), 0, 0};
  return poll(&event, 1, milliseconds) > 0 && (event.revents & (POLLHUP | POLLERR)) != 0;
}

/// Forks this process as the hooks ask for. Throws std::system_error.
pid_t fork_with(const ForkHooks& hooks) {
  std::cout.flush();
  std::fflush(nullptr);  // otherwise the child would print buffered output again
  if (hooks.before) hooks.before();
  const pid_t child = ::fork();
  if (child == 0) return 0;
  const int error = errno;
  if (hooks.in_parent) hooks.in_parent();
  if (child < 0) throw std::system_error(error, std::generic_category(), "forking the process that starts executors");
  return child;
}

void send_command(const Descriptor& socket, ZygoteCommand::Kind kind, std::uint32_t generation, int descriptor = -1) {
  const ZygoteCommand command{kind, generation};
  // If the zygote is gone, `failure` reports it.
  send_message(socket, std::as_bytes(std::span(&command, 1)), descriptor, true);
}

}  // namespace

std::variant<std::unique_ptr<Zygote>, std::unique_ptr<ExecutorPort>> Zygote::fork(ZygoteOptions options) {
  raise_open_file_limit();
  SharedRegionPointer region = make_shared_region();
  SocketPair commands = make_socket_pair();
  SocketPair requests = make_socket_pair();
  const pid_t rank_process = getpid();
  const pid_t keeper = fork_with(options.hooks);
  if (keeper == 0) {
    commands = {};
    requests.first.close();  // open in a child, it would hide the rank's end
    return ZygoteKeeper(*region.release(), std::move(requests.second), std::move(options), rank_process).run();
  }
  const pid_t zygote = fork_with(options.hooks);
  if (zygote == 0) {
    commands.first.close();
    requests = {};
    region->zygote_pid = getpid();
    return ZygoteProcess(*region.release(), std::move(commands.second), std::move(options), rank_process).run();
  }
  return std::unique_ptr<Zygote>(
      new Zygote(std::move(region), std::move(commands.first), zygote, std::move(requests.first), keeper));
}

Zygote::Zygote(SharedRegionPointer region, Descriptor commands, pid_t pid, Descriptor keeper, pid_t keeper_pid)
    : region_(std::move(region)),
      commands_(std::move(commands)),
      pid_(pid),
      keeper_(std::move(keeper)),
      keeper_pid_(keeper_pid) {}

Zygote::~Zygote() {
  end_keeper();
  if (failure()) return;
  if (region_->zygote_state == 0) kill(pid_, SIGKILL);  // the zygote would needlessly complete its preparation
  shutdown(commands_.get(), SHUT_WR);
  if (!is_closed(commands_, longest_farewell_milliseconds)) kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Zygote::end_keeper() {
  if (!keeper_.open()) return;
  keeper_.close();
  kill(keeper_pid_, SIGKILL);
  waitpid(keeper_pid_, nullptr, 0);
}

void Zygote::wait_until_prepared() {
  constexpr std::chrono::milliseconds pause{10};  // between checks whether the zygote has ended
  while (region_->zygote_state != SharedRegion::prepared) {
    if (const auto text = failure()) throw Error(*text);
    region_->worker_wake.wait_for(pause);
  }
}

std::optional<std::string> Zygote::failure() {
  if (failure_ || !is_closed(commands_, 0)) return failure_;
  int status = 0;
  waitpid(pid_, &status, 0);
  if (WIFSIGNALED(status) && region_->zygote_state == SharedRegion::prepared && start_again()) {
    region_->wait_status = status;
    region_->ended_with_zygote = true;
    region_->exited_generation.store(last_generation_, std::memory_order_release);
    return std::nullopt;
  }
  if (region_->zygote_state == SharedRegion::preparing_failed) {
    failure_ = std::string("executor processes could not be prepared: ") + region_->failure.data();
  } else {
    failure_ = "the process that starts executors ended with " + describe_exit(status);
  }
  return failure_;
}

bool Zygote::start_again() {
  if (!keeper_.open()) return false;
  const auto give_up = std::chrono::steady_clock::now() + longest_start_again;
  const auto wait_for = [&](const auto& is_so) {
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  };
  // The kernel kills the executor with its parent; it must not use the region beside its successor.
  if (const pid_t executor = region_->executor_pid; executor != 0 && !wait_for([&] { return has_ended(executor); })) {
    return false;
  }
  SocketPair commands = make_socket_pair();
  region_->zygote_state = 0;
  region_->zygote_pid = 0;
  region_->watching_memory = false;
  int was_subreaper = 0;
  prctl(PR_GET_CHILD_SUBREAPER, &was_subreaper);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // the keeper's grandchild becomes a child of this process
  const std::byte request{};
  const bool is_asked = send_message(keeper_, std::span(&request, 1), commands.second.get(), true) == Sending::done;
  commands.second.close();
  const bool is_there = is_asked && wait_for([&] { return region_->zygote_pid != 0 || is_closed(keeper_, 0); });
  prctl(PR_SET_CHILD_SUBREAPER, was_subreaper);
  if (!is_there || region_->zygote_pid == 0) return false;
  pid_ = region_->zygote_pid;
  commands_ = std::move(commands.first);
  return true;
}

std::uint32_t Zygote::start_executor(Descriptor socket) {
  send_command(commands_, ZygoteCommand::Kind::start, ++last_generation_, socket.get());
  return last_generation_;
}

void Zygote::interrupt_executor(std::uint32_t generation) {
  send_command(commands_, ZygoteCommand::Kind::interrupt, generation);
}

void Zygote::kill_executor(std::uint32_t generation) {
  send_command(commands_, ZygoteCommand::Kind::kill, generation);
}

void Zygote::kill_zygote() {
  if (failure()) return;
  kill(pid_, SIGKILL);
  (void)is_closed(commands_, longest_farewell_milliseconds);
}

void Zygote::watch_memory(std::uint32_t generation) {
  send_command(commands_, ZygoteCommand::Kind::watch_memory, generation);
}

}  // namespace joblib_mpi
