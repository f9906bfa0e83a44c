#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::launch {

/// The outcome of a program that has run: its exit status and its output.
struct CapturedRun {
  bool started = false;
  bool timed_out = false;
  int status = 0;      ///< the exit status; 128 plus the signal's number, as in a shell, if a signal ended it
  std::string output;  ///< the text on standard output
  std::string errors;  ///< the text on standard error, or the reason why it could not be started
};

/// The time that a program may take.
struct RunLimits {
  double seconds = 60;       ///< until it gets SIGTERM
  double grace_seconds = 5;  ///< from SIGTERM to SIGKILL
};

/// Runs a program, which is looked up on PATH, with an empty standard input and the given environment ("NAME=value").
/// Returns when the program has ended; does not wait for processes that it started and left running.
[[nodiscard]] CapturedRun run_captured(const std::vector<std::string>& command,
                                       const std::vector<std::string>& environment, const RunLimits& limits);

/// Returns this process's environment without the variables for which `is_dropped` returns true.
[[nodiscard]] std::vector<std::string> environment_without(
    const std::function<bool(std::string_view name)>& is_dropped);

}  // namespace joblib_mpi::launch
