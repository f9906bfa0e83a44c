#include "terminal/launcher_process.hpp"

#include "command/launch_error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace joblib_mpi::launch {

pid_t start_launcher(const std::vector<std::string>& words, const sigset_t& blocked) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw LaunchError("cannot start " + words.front() + ": " + std::strerror(errno));
  if (child > 0) {
    setpgid(child, child);  // here and there, so that it has happened before either goes on
    return child;
  }
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  std::signal(SIGTTOU, SIG_IGN);  // it may write to the terminal from the background, even after "stty tostop"
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
  execvp(argv.front(), argv.data());
  std::fprintf(stderr, "joblib-mpi: cannot start %s: %s\n", argv.front(), std::strerror(errno));
  _exit(2);
}

}  // namespace joblib_mpi::launch
