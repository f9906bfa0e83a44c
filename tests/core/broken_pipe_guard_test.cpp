#include "core/broken_pipe_guard.hpp"

#include "support/catch.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace joblib_mpi;

namespace {

/// Returns the wait status of a process that runs `life`, in which SIGPIPE first has its default action.
int status_of(const std::function<int()>& life) {
  const pid_t pid = fork();
  if (pid == 0) {
    std::signal(SIGPIPE, SIG_DFL);
    _exit(life());
  }
  int status = 0;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  return status;
}

bool exited_with(int status, int code) {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

bool ended_by_broken_pipe(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE;
}

/// Returns the error of a write to a socket whose other end is closed.
int error_of_write() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return -1;
  close(ends[1]);
  const int error = write(ends[0], "x", 1) < 0 ? errno : 0;
  close(ends[0]);
  return error;
}

}  // namespace

TEST_CASE("a write to a closed socket fails while a guard lives, and ends the process otherwise") {
  CHECK(exited_with(status_of([] {
                      const BrokenPipeGuard guard;
                      return error_of_write();
                    }),
                    EPIPE));
  CHECK(ended_by_broken_pipe(status_of([] {
    { const BrokenPipeGuard guard; }
    return error_of_write();
  })));
}

TEST_CASE("a write to a closed socket fails until the last of several guards is gone") {
  CHECK(exited_with(status_of([] {
                      std::optional<BrokenPipeGuard> first(std::in_place);
                      const BrokenPipeGuard second;
                      first.reset();
                      return error_of_write();
                    }),
                    EPIPE));
}

TEST_CASE("a program that is started while a guard lives can be ended by SIGPIPE") {
  CHECK(ended_by_broken_pipe(status_of([] {
    const BrokenPipeGuard guard;
    execl("/bin/sh", "sh", "-c", "kill -PIPE $$", nullptr);
    return 1;
  })));
}

TEST_CASE("the program's own action for SIGPIPE stays in place during and after the life of a guard") {
  CHECK(exited_with(status_of([] {
                      static volatile std::sig_atomic_t calls = 0;
                      std::signal(SIGPIPE, [](int) { calls = calls + 1; });
                      {
                        const BrokenPipeGuard guard;
                        error_of_write();
                      }
                      error_of_write();
                      return static_cast<int>(calls);
                    }),
                    2));
  CHECK(exited_with(status_of([] {
                      std::signal(SIGPIPE, SIG_IGN);
                      { const BrokenPipeGuard guard; }
                      return error_of_write();
                    }),
                    EPIPE));
}
