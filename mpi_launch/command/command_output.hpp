#pragma once

#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

struct CommandOutput {
  std::string text;  ///< stdout, then stderr
  int status = 0;    ///< as a shell has it; 124 after the time limit
};

/// Runs `words`, with nothing on stdin, and waits for its end, at most `seconds`: then it is ended. None if there is no
/// such command.
[[nodiscard]] std::optional<CommandOutput> output_of(const std::vector<std::string>& words, double seconds);

/// Where a shell finds `command`; none if nowhere. A name with a slash is a path.
[[nodiscard]] std::optional<std::string> found_on_path(const std::string& command);

}  // namespace joblib_mpi::launch
