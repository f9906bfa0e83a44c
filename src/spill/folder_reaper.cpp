#include "spill/folder_reaper.hpp"

#include <spawn.h>

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

extern char** environ;

namespace joblib_mpi {
namespace {

/// A rank that outlives rank 0 for a moment may still write into the folder, so the script tries more than once.
constexpr const char* script =
    "trap '' HUP INT TERM PIPE; read -r end; [ -e \"$0/keep\" ] && exit; "
    "for pause in 0 1 2 4; do sleep $pause; rm -rf -- \"$0\" && exit; done";

}  // namespace

FolderReaper::FolderReaper(const std::filesystem::path& folder) : owner_(getpid()) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "creating a socket for the process that removes " + folder.string());
  }
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  sigset_t ignored;  // until the script has got as far as its trap
  sigemptyset(&ignored);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) sigaddset(&ignored, signal);
  posix_spawnattr_setsigmask(&attributes, &ignored);
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
  if (error == 0) return;
  close(socket_);
  throw std::system_error(error, std::generic_category(), "starting /bin/sh, which removes " + folder.string());
}

FolderReaper::~FolderReaper() {
  if (getpid() != owner_) return;
  // Forks of this process may also hold the socket open, so its end of file may come much later.
  (void)!send(socket_, "\n", 1, MSG_NOSIGNAL);
  close(socket_);
  waitpid(reaper_, nullptr, 0);
}

}  // namespace joblib_mpi
