#include "command/captured_run.hpp"

#include <spawn.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace joblib_mpi::launch {
namespace {

using Clock = std::chrono::steady_clock;

/// The pause between two checks whether the process has ended, while its pipes are silent.
constexpr int look_milliseconds = 20;

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

/// A pipe whose reading end does not block.
class Stream {
 public:
  Stream() {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) == 0) {
      fcntl(ends[0], F_SETFL, O_NONBLOCK);
      read_end_ = ends[0];
      write_end_ = ends[1];
    }
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() {
    close_write_end();
    if (read_end_ >= 0) close(read_end_);
  }

  [[nodiscard]] int write_end() const { return write_end_; }
  [[nodiscard]] int read_end() const { return read_end_; }
  void close_write_end() {
    if (write_end_ >= 0) close(write_end_);
    write_end_ = -1;
  }
  void read_what_is_there(std::string& text) {
    std::array<char, 65536> piece;
    while (read_end_ >= 0) {
      const ssize_t size = read(read_end_, piece.data(), piece.size());
      if (size < 0 && errno == EINTR) continue;
      if (size > 0) {
        text.append(piece.data(), static_cast<std::size_t>(size));
        continue;
      }
      if (size == 0) {
        close(read_end_);
        read_end_ = -1;
      }
      return;
    }
  }

 private:
  int read_end_ = -1;
  int write_end_ = -1;
};

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

CapturedRun run_captured(const std::vector<std::string>& command, const std::vector<std::string>& environment,
                         const RunLimits& limits) {
  CapturedRun run;
  Stream output;
  Stream errors;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output.write_end(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.write_end(), STDERR_FILENO);
  pid_t child = -1;
  const int error = posix_spawnp(&child, command.front().c_str(), &actions, nullptr, pointers_to(command).data(),
                                 pointers_to(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    run.status = 127;
    run.errors = command.front() + ": " + std::strerror(error);
    return run;
  }
  run.started = true;
  output.close_write_end();
  errors.close_write_end();

  auto deadline = after(limits.seconds);
  int status = 0;
  for (bool has_ended = false; !has_ended;) {
    has_ended = waitpid(child, &status, WNOHANG) == child;
    if (!has_ended && Clock::now() >= deadline) {
      kill(child, run.timed_out ? SIGKILL : SIGTERM);
      run.timed_out = true;
      deadline = after(limits.grace_seconds);
    }
    std::array<pollfd, 2> ends{pollfd{output.read_end(), POLLIN, 0}, pollfd{errors.read_end(), POLLIN, 0}};
    if (!has_ended) poll(ends.data(), ends.size(), look_milliseconds);
    output.read_what_is_there(run.output);
    errors.read_what_is_there(run.errors);
  }
  run.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return run;
}

std::vector<std::string> environment_without(const std::function<bool(std::string_view name)>& is_dropped) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!is_dropped(text.substr(0, text.find('=')))) environment.emplace_back(text);
  }
  return environment;
}

}  // namespace joblib_mpi::launch
