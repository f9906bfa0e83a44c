#include "executor/zygote.hpp"

#include "core/open_files.hpp"
#include "executor/process_tree.hpp"
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
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

/// The longest time that a leaving rank waits for its zygote to end the processes that are left.
constexpr int longest_farewell_milliseconds = 5000;

/// Waits for the other end to be closed, for at most `milliseconds`, and returns whether it is.
bool is_closed(const Descriptor& socket, int milliseconds) {
  pollfd event{socket.get(), 0, 0};
  return poll(&event, 1, milliseconds) > 0 && (event.revents & (POLLHUP | POLLERR)) != 0;
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
  const pid_t rank_process = getpid();
  std::cout.flush();
  std::fflush(nullptr);  // otherwise the child would print buffered output again
  if (options.hooks.before) options.hooks.before();
  const pid_t child = ::fork();
  if (child == 0) {
    commands.first.close();  // open in a child, it would hide the rank's end
    return ZygoteProcess(*region.release(), std::move(commands.second), std::move(options), rank_process).run();
  }
  const int error = errno;
  if (options.hooks.in_parent) options.hooks.in_parent();
  if (child < 0) throw std::system_error(error, std::generic_category(), "forking the process that starts executors");
  return std::unique_ptr<Zygote>(new Zygote(std::move(region), std::move(commands.first), child));
}

Zygote::Zygote(SharedRegionPointer region, Descriptor commands, pid_t pid)
    : region_(std::move(region)), commands_(std::move(commands)), pid_(pid) {}

Zygote::~Zygote() {
  if (failure()) return;
  if (region_->zygote_state == 0) kill(pid_, SIGKILL);  // the zygote would needlessly complete its preparation
  shutdown(commands_.get(), SHUT_WR);
  if (!is_closed(commands_, longest_farewell_milliseconds)) kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
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
  if (region_->zygote_state == SharedRegion::preparing_failed) {
    failure_ = std::string("executor processes could not be prepared: ") + region_->failure.data();
  } else {
    failure_ = "the process that starts executors ended with " + describe_exit(status);
  }
  return failure_;
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
  waitpid(pid_, nullptr, 0);
  failure_ = "the process that starts executors was killed because it did not react";
}

void Zygote::watch_memory(std::uint32_t generation) {
  send_command(commands_, ZygoteCommand::Kind::watch_memory, generation);
}

}  // namespace joblib_mpi
