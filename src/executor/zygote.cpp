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

/// Between checks whether the keeper has ended while a zygote is expected from it.
constexpr std::chrono::milliseconds between_looks_at_keeper{10};

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
  auto [region, file] = make_shared_region();
  SocketPair requests = make_socket_pair();
  const pid_t rank_process = getpid();
  const pid_t keeper = fork_with(options.hooks);
  if (keeper == 0) {
    requests.first.close();  // open in a child, it would hide the rank's end
    file.close();
    if (options.hooks.in_child) options.hooks.in_child();
    return ZygoteKeeper(*region.release(), std::move(requests.second), std::move(options), rank_process).run();
  }
  std::unique_ptr<Zygote> zygote(new Zygote(std::move(region), std::move(file), std::move(requests.first), keeper));
  requests.second.close();  // with it open, the end of the keeper would go unnoticed
  zygote->start();
  return zygote;
}

std::pair<std::unique_ptr<Zygote>, Zygote::Lifeline> Zygote::with_keeper_elsewhere() {
  raise_open_file_limit();
  auto [region, file] = make_shared_region();
  SocketPair requests = make_socket_pair();
  std::unique_ptr<Zygote> zygote(
      new Zygote(std::move(region), another_descriptor(file.get()), std::move(requests.first), 0));
  return {std::move(zygote), Lifeline{std::move(file), std::move(requests.second)}};
}

std::unique_ptr<ExecutorPort> Zygote::keep(Lifeline lifeline, ZygoteOptions options, pid_t rank_process) {
  SharedRegionPointer region = map_shared_region(lifeline.region);
  lifeline.region.close();
  return ZygoteKeeper(*region.release(), std::move(lifeline.requests), std::move(options), rank_process).run();
}

Zygote::Zygote(SharedRegionPointer region, Descriptor file, Descriptor keeper, pid_t keeper_child)
    : region_(std::move(region)),
      region_file_(std::move(file)),
      keeper_(std::move(keeper)),
      keeper_child_(keeper_child) {}

Zygote::~Zygote() {
  if (commands_.open() && !failure()) {
    if (region_->zygote_state == 0) ask_keeper_to_kill();  // the zygote would needlessly complete its preparation
    shutdown(commands_.get(), SHUT_WR);
    if (!is_closed(commands_, longest_farewell_milliseconds)) ask_keeper_to_kill();
  }
  end_keeper();
}

void Zygote::end_keeper() {
  shutdown(keeper_.get(), SHUT_WR);
  const bool has_left = is_closed(keeper_, longest_farewell_milliseconds);
  const pid_t keeper = keeper_child_ != 0 ? keeper_child_ : region_->keeper_pid.load();
  if (!has_left && keeper != 0) kill(keeper, SIGKILL);
  if (keeper_child_ != 0) waitpid(keeper_child_, nullptr, 0);
}

void Zygote::start(std::chrono::steady_clock::duration longest) {
  if (request_zygote(std::chrono::steady_clock::now() + longest)) return;
  if (const int error = region_->zygote_fork_error) {
    throw std::system_error(error, std::generic_category(), "forking the process that starts executors");
  }
  throw Error(has_keeper() ? "the process that forks the one that starts executors does not react"
                           : "the process that forks the one that starts executors has ended");
}

bool Zygote::request_zygote(std::chrono::steady_clock::time_point give_up) {
  SocketPair commands = make_socket_pair();
  const std::uint32_t zygotes_before = region_->zygotes;
  region_->zygote_state = 0;
  region_->zygote_fork_error = 0;
  constexpr auto request = KeeperRequest::start;
  const auto sent = send_message(keeper_, std::as_bytes(std::span(&request, 1)), commands.second.get(), true);
  if (sent != Sending::done) return false;
  commands.second.close();
  const auto is_there = [&] { return region_->zygotes != zygotes_before; };
  while (!is_there() && region_->zygote_fork_error == 0 && has_keeper() && std::chrono::steady_clock::now() < give_up) {
    region_->page.wake_flag.wait_for(between_looks_at_keeper);
  }
  if (!is_there()) return false;
  commands_ = std::move(commands.first);
  return true;
}

bool Zygote::has_keeper() const {
  return !is_closed(keeper_, 0);
}

void Zygote::ask_keeper_to_kill() {
  constexpr auto request = KeeperRequest::kill;
  const auto sent = send_message(keeper_, std::as_bytes(std::span(&request, 1)), -1, true);
  // Without its keeper, a zygote that has ended stays to be waited for by another process.
  if (sent != Sending::done && !is_closed(commands_, 0)) kill(pid(), SIGKILL);
}

void Zygote::wait_until_prepared() {
  constexpr std::chrono::milliseconds pause{10};  // between checks whether the zygote has ended
  while (region_->zygote_state != SharedRegion::prepared) {
    if (const auto text = failure()) throw Error(*text);
    region_->page.wake_flag.wait_for(pause);
  }
}

std::optional<std::string> Zygote::failure() {
  if (failure_ || !is_closed(commands_, 0)) return failure_;
  const std::optional<int> status = wait_status();
  if (status && WIFSIGNALED(*status) && region_->zygote_state == SharedRegion::prepared && start_again()) {
    region_->wait_status = *status;
    region_->ended_with_zygote = true;
    region_->exited_generation.store(last_generation_, std::memory_order_release);
    return std::nullopt;
  }
  if (region_->zygote_state == SharedRegion::preparing_failed) {
    failure_ = std::string("executor processes could not be prepared: ") + region_->failure.data();
  } else if (status) {
    failure_ = "the process that starts executors ended with " + describe_exit(*status);
  } else {
    failure_ = "the process that starts executors has ended, and so has the one that would start it again";
  }
  return failure_;
}

std::optional<int> Zygote::wait_status() const {
  // The keeper takes note of the end within milliseconds, unless it has ended, or was stopped.
  const auto give_up = std::chrono::steady_clock::now() + longest_start_again;
  while (region_->zygote_pid != 0 && has_keeper() && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (region_->zygote_pid != 0) return std::nullopt;
  return region_->zygote_wait_status;
}

bool Zygote::start_again() {
  // The kernel kills the executor with its parent; it must not use the region beside its successor.
  const auto give_up = std::chrono::steady_clock::now() + longest_start_again;
  while (!has_ended(region_->executor_pid)) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  region_->watching_memory = false;
  return request_zygote(give_up);
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
  ask_keeper_to_kill();
  (void)is_closed(commands_, longest_farewell_milliseconds);
}

void Zygote::watch_memory(std::uint32_t generation) {
  send_command(commands_, ZygoteCommand::Kind::watch_memory, generation);
}

}  // namespace joblib_mpi
