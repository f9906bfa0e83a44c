#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::launch {

/// What a program left behind.
struct CapturedRun {
  bool started = false;
  bool timed_out = false;
  int status = 0;      ///< its exit status; 128 and the signal's number, as shells say it, if one has ended it
  std::string output;  ///< its standard output
  std::string errors;  ///< its standard error; why it could not be started, if it was not
};

struct RunLimits {
  double seconds = 60;       ///< after which it is told to end (SIGTERM)
  double grace_seconds = 5;  ///< and killed
};

/// Runs a program, found as shells do, without standard input, with the given environment ("NAME=value"). Returns when
/// it has ended; what it has started and left behind is not waited for.
[[nodiscard]] CapturedRun run_captured(const std::vector<std::string>& command,
                                       const std::vector<std::string>& environment, const RunLimits& limits);

/// This process's environment without the variables for which `is_dropped` says so.
[[nodiscard]] std::vector<std::string> environment_without(
    const std::function<bool(std::string_view name)>& is_dropped);

}  // namespace joblib_mpi::launch
