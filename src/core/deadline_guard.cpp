#include "core/deadline_guard.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

/// Returns the process id of Open MPI's launcher or daemon on this host if it is the parent of this process.
std::optional<pid_t> launcher() {
  const pid_t parent = getppid();
  std::ifstream file("/proc/" + std::to_string(parent) + "/comm");
  std::string name;
  std::getline(file, name);
  for (const char* known : {"mpirun", "mpiexec", "orterun", "orted", "prterun", "prte", "prted"}) {
    if (name == known) return parent;
  }
  return std::nullopt;
}

/// Waits at most one second until the reader of the pipe `descriptor` has taken what is in it: a launcher that is told
/// to end forwards nothing more.
void wait_until_read(int descriptor) {
  for (int turn = 0; turn < 10; ++turn) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    int unread = 0;
    if (ioctl(descriptor, FIONREAD, &unread) != 0 || unread == 0) return;
  }
}

std::string in_seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", seconds);
  return text;
}

}  // namespace

DeadlineGuard::DeadlineGuard(Options options, Expiry expiry)
    : options_(std::move(options)), expiry_(std::move(expiry)), thread_([this] { watch(); }) {}

DeadlineGuard::~DeadlineGuard() {
  {
    const std::lock_guard lock(mutex_);
    disarmed_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void DeadlineGuard::watch() {
  std::unique_lock lock(mutex_);
  const std::chrono::duration<double> limit(options_.seconds);
  if (changed_.wait_for(lock, limit, [this] { return disarmed_; })) return;
  // Still under the lock, so that the destructor cannot return as if the operation had ended in time.
  expiry_(options_.operation + " did not end within " + in_seconds(options_.seconds) +
              (options_.advice.empty() ? "" : ": " + options_.advice),
          options_.exit_status);
}

void DeadlineGuard::end_process(const std::string& text, int exit_status) {
  const std::string line = "joblib_mpi: " + text + "\n";
  if (ftrylockfile(stdout) == 0) fflush_unlocked(stdout);  // the thread that holds the lock may be the stuck one
  // In one piece, since all ranks may write theirs at the same time.
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line.data(), line.size());
  wait_until_read(STDERR_FILENO);
  // With the options that let ranks outlive each other, mpirun of Open MPI 4.1 keeps running after all ranks have
  // ended.
  if (const auto parent = launcher()) kill(*parent, SIGTERM);
  _exit(exit_status);
}

}  // namespace joblib_mpi
