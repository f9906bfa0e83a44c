#pragma once

#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// The output and the exit status of a command.
struct CommandOutput {
  std::string text;  ///< standard output, then standard error
  int status = 0;    ///< the exit status as a shell reports it; 124 if the time limit ended the command
};

/// Runs the command `words` with an empty standard input and waits for its end; ends it after `seconds`. Returns
/// nothing if there is no such command.
[[nodiscard]] std::optional<CommandOutput> output_of(const std::vector<std::string>& words, double seconds);

/// Returns the path at which a shell finds `command`, or nothing. A name with a slash is taken as a path.
[[nodiscard]] std::optional<std::string> found_on_path(const std::string& command);

}  // namespace joblib_mpi::launch
