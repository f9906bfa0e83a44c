#include "terminal/group_watch.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace joblib_mpi::launch {
namespace {

/// Writes one byte once this process is in `group`, and one for each SIGINT.
[[noreturn]] void watch(pid_t group, pid_t parent, int reports) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (getppid() != parent || setpgid(0, group) != 0) _exit(1);
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  sigprocmask(SIG_SETMASK, &interrupt, nullptr);
  for (int signal = 0; write(reports, "", 1) == 1;) sigwait(&interrupt, &signal);
  _exit(0);
}

}  // namespace

GroupWatch::GroupWatch(pid_t group, pid_t process, Descriptor interrupts)
    : group_(group), process_(process), interrupts_(std::move(interrupts)) {}

std::unique_ptr<GroupWatch> GroupWatch::start_in(pid_t group) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return nullptr;
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) watch(group, parent, ends[1]);
  Descriptor(ends[1]).close();
  Descriptor reports(ends[0]);
  if (child < 0) return nullptr;
  std::unique_ptr<GroupWatch> started(new GroupWatch(group, child, std::move(reports)));
  return started->take_interrupt() ? std::move(started) : nullptr;  // the first byte: the process is in the group
}

GroupWatch::~GroupWatch() {
  if (process_ == 0) return;
  kill(process_, SIGKILL);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<int> GroupWatch::take_stop() {
  int status = 0;
  if (process_ == 0 || waitpid(process_, &status, WNOHANG | WUNTRACED) != process_) return std::nullopt;
  if (WIFSTOPPED(status)) return WSTOPSIG(status);
  process_ = 0;
  return std::nullopt;
}

bool GroupWatch::take_interrupt() {
  char byte = 0;
  return read(interrupts_.get(), &byte, 1) == 1;
}

}  // namespace joblib_mpi::launch
