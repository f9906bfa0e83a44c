#include "spill/folder_reaper.hpp"

#include <spawn.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

extern char** environ;

namespace joblib_mpi {
namespace {

/// A rank that outlives rank 0 for a moment may still write into the folder: so more than one try.
constexpr const char* script =
    "trap '' HUP INT TERM PIPE; read -r end; [ -e \"$0/keep\" ] && exit; "
    "for pause in 0 1 2 4; do sleep $pause; rm -rf -- \"$0\" && exit; done";

/// What the signal handler has to know of this process's reapers: socket and process in one number, 0 for none.
std::array<std::atomic<std::uint64_t>, 64> known_reapers{};
std::atomic<pid_t> owner_of_reapers{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free);

constexpr std::uint64_t known(pid_t reaper, int socket) {
  return static_cast<std::uint64_t>(socket) << 32U | static_cast<std::uint32_t>(reaper);
}

/// Has the reapers do their work, and ends this process when they have. A batch system that cancels a job sends
/// SIGTERM, and kills what is left as soon as the ranks have ended: the reapers, too.
void reap_and_end(int number) {
  if (owner_of_reapers == getpid()) {
    for (const auto& entry : known_reapers) {
      const std::uint64_t reaper = entry;
      if (reaper == 0) continue;
      (void)!send(static_cast<int>(reaper >> 32U), "\n", 1, MSG_NOSIGNAL);
      waitpid(static_cast<pid_t>(reaper & 0xffffffffU), nullptr, 0);
    }
  }
  std::signal(number, SIG_DFL);
  raise(number);
}

void replace_sigterm_action(void (*from)(int), void (*to)(int)) {
  struct sigaction now {};
  sigaction(SIGTERM, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == from) std::signal(SIGTERM, to);
}

void make_known(pid_t reaper, int socket) {
  if (owner_of_reapers.exchange(getpid()) != getpid()) {  // a fork knows none
    for (auto& entry : known_reapers) entry = 0;
  }
  for (auto& entry : known_reapers) {
    std::uint64_t none = 0;
    if (entry.compare_exchange_strong(none, known(reaper, socket))) break;
  }
  replace_sigterm_action(SIG_DFL, reap_and_end);
}

void forget(pid_t reaper, int socket) {
  bool others = false;
  for (auto& entry : known_reapers) {
    std::uint64_t expected = known(reaper, socket);
    if (!entry.compare_exchange_strong(expected, 0)) others = others || expected != 0;
  }
  if (!others) replace_sigterm_action(reap_and_end, SIG_DFL);
}

}  // namespace

FolderReaper::FolderReaper(const std::filesystem::path& folder) : owner_(getpid()) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "making a socket");
  }
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string path = folder.string();
  std::string text = script;
  char name[] = "sh";
  char option[] = "-c";
  char* const arguments[] = {name, option, text.data(), path.data(), nullptr};
  const int error = posix_spawn(&reaper_, "/bin/sh", &files, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  close(ends[0]);
  socket_ = ends[1];
  if (error == 0) {
    make_known(reaper_, socket_);
    return;
  }
  close(socket_);
  throw std::system_error(error, std::generic_category(), "starting /bin/sh");
}

FolderReaper::~FolderReaper() {
  if (getpid() != owner_) return;
  forget(reaper_, socket_);
  // Forks of this process may have the socket open, too: its end of file may be far away.
  (void)!send(socket_, "\n", 1, MSG_NOSIGNAL);
  close(socket_);
  waitpid(reaper_, nullptr, 0);
}

}  // namespace joblib_mpi
