#include "core/process_watch.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <unistd.h>

namespace joblib_mpi {
namespace {

struct ProcessState {
  char state = 'X';
  std::uint64_t ticks_used = 0;  // by the user's code and by the kernel, for all threads
  std::string start_time;        // in clock ticks since the machine started
};

/// `pid` may also be PID/task/TID, a thread.
ProcessState state_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(file, line)) return {};
  // The name before the last bracket may hold spaces and brackets. proc(5): after it come the state and, as fields 14,
  // 15 and 22, the times used and the start time.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  ProcessState result;
  fields >> result.state;
  std::string skipped;
  for (int field = 4; field < 14; ++field) fields >> skipped;
  std::uint64_t by_kernel = 0;
  fields >> result.ticks_used >> by_kernel;
  result.ticks_used += by_kernel;
  for (int field = 16; field <= 22; ++field) fields >> result.start_time;
  return result;
}

/// Returns the state of the process with this name: 'X' if it has ended or the name is meaningless here.
ProcessState state_of_named(const std::string& process) {
  const std::size_t colon = process.find(':');
  if (colon == std::string::npos) return {};
  ProcessState now = state_of(process.substr(0, colon));
  return now.state != 'Z' && now.start_time == process.substr(colon + 1) ? now : ProcessState{};
}

bool runs_or_waits_for_disk(const ProcessState& state) {
  return state.state == 'R' || state.state == 'D';
}

/// Returns whether a thread runs, would run if a processor were free, or waits for a disk. The state of the process is
/// that of its first thread alone.
bool has_thread_at_work(const std::string& pid) {
  std::error_code error;
  std::filesystem::directory_iterator thread("/proc/" + pid + "/task", error);
  for (; !error && thread != std::filesystem::directory_iterator(); thread.increment(error)) {
    if (runs_or_waits_for_disk(state_of(pid + "/task/" + thread->path().filename().string()))) return true;
  }
  return false;
}

}  // namespace

std::string own_process() {
  return process_name(getpid());
}

std::string process_name(pid_t process) {
  const std::string pid = std::to_string(process);
  return pid + ":" + state_of(pid).start_time;
}

bool is_running(const std::string& process) {
  return state_of_named(process).state != 'X';
}

bool has_ended(pid_t process) {
  // Without a file, of which this process may be unable to open more.
  if (process == 0 || (kill(process, 0) != 0 && errno == ESRCH)) return true;
  return state_of(std::to_string(process)).state == 'Z';
}

bool ActivityWatch::is_at_work(const std::string& process) {
  const ProcessState now = state_of_named(process);
  if (now.state == 'X' || now.state == 'T' || now.state == 't') return false;
  const auto [before, is_first] = ticks_used_.try_emplace(process, now.ticks_used);
  const bool has_worked = is_first || now.ticks_used != before->second;
  before->second = now.ticks_used;
  return has_worked || has_thread_at_work(process.substr(0, process.find(':')));
}

}  // namespace joblib_mpi
