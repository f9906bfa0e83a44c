#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <unordered_map>

namespace joblib_mpi {

/// Returns a name of this process that no other process of this machine has had or will have while the machine runs. It
/// is meaningless on other machines and in other PID namespaces.
[[nodiscard]] std::string own_process();

/// Returns such a name of another process, which must exist.
[[nodiscard]] std::string process_name(pid_t process);

/// Returns whether the process with this name exists and has not ended. Returns false for a name that is meaningless
/// here.
[[nodiscard]] bool is_running(const std::string& process);

/// Returns whether the process has ended, even if its parent has not taken note of that yet. Returns false if another
/// process has its id now. An id of 0 stands for a process that has ended.
[[nodiscard]] bool has_ended(pid_t process);

/// Tells whether processes of this machine do anything, from one question to the next.
class ActivityWatch {
 public:
  /// Returns whether a thread of the process with this name runs or waits for a disk, or the process has used the
  /// processor since the previous question; at the first question, whether it exists. Returns false for a process that
  /// is stopped or has ended.
  [[nodiscard]] bool is_at_work(const std::string& process);

 private:
  std::unordered_map<std::string, std::uint64_t> ticks_used_;  // by process, at the previous question
};

}  // namespace joblib_mpi
