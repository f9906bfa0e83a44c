#include "executor/process_tree.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace joblib_mpi {
namespace {

constexpr auto signal_names = std::to_array<std::pair<int, const char*>>({{SIGABRT, "SIGABRT"},
                                                                          {SIGALRM, "SIGALRM"},
                                                                          {SIGBUS, "SIGBUS"},
                                                                          {SIGFPE, "SIGFPE"},
                                                                          {SIGHUP, "SIGHUP"},
                                                                          {SIGILL, "SIGILL"},
                                                                          {SIGINT, "SIGINT"},
                                                                          {SIGKILL, "SIGKILL"},
                                                                          {SIGPIPE, "SIGPIPE"},
                                                                          {SIGQUIT, "SIGQUIT"},
                                                                          {SIGSEGV, "SIGSEGV"},
                                                                          {SIGSYS, "SIGSYS"},
                                                                          {SIGTERM, "SIGTERM"},
                                                                          {SIGTRAP, "SIGTRAP"},
                                                                          {SIGUSR1, "SIGUSR1"},
                                                                          {SIGUSR2, "SIGUSR2"},
                                                                          {SIGXCPU, "SIGXCPU"},
                                                                          {SIGXFSZ, "SIGXFSZ"}});

/// The time that processes have to end after SIGTERM. Python's resource trackers ignore it, but wait for the end of the
/// other processes and then remove what these have left in /dev/shm. Chosen, not measured.
constexpr double patience_seconds = 1.0;

/// Returns the children of all threads of this process: a preloaded library may have started processes from any thread.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", gone)) {
    std::ifstream list(thread.path() / "children");
    for (pid_t child = 0; list >> child;) found.push_back(child);
  }
  return found;
}

}  // namespace

std::string describe_exit(int wait_status) {
  if (WIFEXITED(wait_status)) return "exit code " + std::to_string(WEXITSTATUS(wait_status));
  const int signal = WTERMSIG(wait_status);
  const auto* const known = std::ranges::find(signal_names, signal, &std::pair<int, const char*>::first);
  const std::string number = "signal " + std::to_string(signal);
  return known == signal_names.end() ? number : number + " (" + known->second + ")";
}

void end_descendants(double seconds) {
  constexpr std::chrono::microseconds pause{200};
  const auto begin = std::chrono::steady_clock::now();
  std::vector<pid_t> asked;
  while (true) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    for (const pid_t child : children()) {
      if (passed.count() >= patience_seconds) {
        kill(child, SIGKILL);
      } else if (std::ranges::find(asked, child) == asked.end()) {
        kill(child, SIGTERM);
        asked.push_back(child);
      }
    }
    pid_t reaped = 0;
    while ((reaped = waitpid(-1, nullptr, WNOHANG)) > 0) std::erase(asked, reaped);
    if (reaped < 0 || passed.count() >= patience_seconds + seconds) return;  // less than 0: no child is left
    std::this_thread::sleep_for(pause);
  }
}

std::uint64_t anonymous_resident_bytes(pid_t process) {
  std::ifstream statm("/proc/" + std::to_string(process) + "/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  if (!(statm >> total >> resident >> shared) || shared > resident) return 0;
  return (resident - shared) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace joblib_mpi
