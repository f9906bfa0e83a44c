#pragma once

#include "command/launch_error.hpp"
#include "command/options.hpp"
#include "run/environment.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::launch {

using Variables = std::vector<std::pair<std::string, std::string>>;

/// What each rank runs.
struct Command {
  std::vector<std::string> words;
  bool is_python = false;
  Variables variables;  ///< of its environment, beside what is there
};

/// A command line that starts the ranks, as a person could type it.
struct LaunchPlan {
  std::vector<std::string> words;       ///< `words[0]` is looked up on PATH
  Variables variables;                  ///< to be added to the environment
  std::vector<std::string> notes;       ///< what the user should know, a line each
  std::optional<LaunchError> obstacle;  ///< why it would fail as things are
  int ranks = 1;
};

/// Throws LaunchError if another launcher has started this process as one of its ranks.
void require_no_outer_launch(const LaunchEnvironment& environment);

/// Decides how `command` is started on ranks. Throws LaunchError if it cannot be.
[[nodiscard]] LaunchPlan plan_launch(const LaunchOptions& options, const LaunchEnvironment& environment,
                                     const Command& command);

/// The plan as a line that can be pasted into a shell.
[[nodiscard]] std::string shell_line(const LaunchPlan& plan);

}  // namespace joblib_mpi::launch
