#include "command_output.hpp"

#include <spawn.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace joblib_mpi::launch {
namespace {

using Clock = std::chrono::steady_clock;

/// Starts `words` in a process group of its own with its output in `write_end`; its id, or -1.
pid_t start(const std::string& path, const std::vector<std::string>& words, int write_end) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, write_end, STDERR_FILENO);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid = -1;
  if (posix_spawn(&pid, path.c_str(), &files, &attributes, argv.data(), environ) != 0) pid = -1;
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return pid;
}

/// Reads until everybody has closed the pipe's other end; whether that was before `deadline`.
bool read_all(int read_end, Clock::time_point deadline, std::string& text) {
  std::array<char, 4096> piece{};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd readable{read_end, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(left)) <= 0) continue;
    const ssize_t size = read(read_end, piece.data(), piece.size());
    if (size == 0 || (size < 0 && errno != EINTR)) return true;
    if (size > 0) text.append(piece.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace

std::optional<CommandOutput> output_of(const std::vector<std::string>& words, double seconds) {
  const auto path = found_on_path(words.front());
  if (!path) return std::nullopt;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const pid_t pid = start(*path, words, ends[1]);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return std::nullopt;
  }
  CommandOutput output;
  const auto limit = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const bool ended = read_all(ends[0], Clock::now() + limit, output.text);
  close(ends[0]);
  if (!ended) kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  output.status = !ended ? 124 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

std::optional<std::string> found_on_path(const std::string& command) {
  const auto runs = [](const std::string& path) {
    std::error_code error;
    return access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path, error);
  };
  if (command.find('/') != std::string::npos) return runs(command) ? std::optional(command) : std::nullopt;
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + command;
    if (runs(candidate)) return candidate;
  }
  return std::nullopt;
}

}  // namespace joblib_mpi::launch
