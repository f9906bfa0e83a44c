#pragma once

#include "command/launch_error.hpp"
#include "command/options.hpp"
#include "run/environment.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::launch {

/// Names and values of environment variables.
using Variables = std::vector<std::pair<std::string, std::string>>;

/// The command that each rank runs.
struct Command {
  std::vector<std::string> words;
  bool is_python = false;
  Variables variables;  ///< to be added to its environment
};

/// A command line that starts the ranks, in the form that a user could type.
struct LaunchPlan {
  std::vector<std::string> words;       ///< `words[0]` is looked up on PATH
  Variables variables;                  ///< to be added to the environment
  std::vector<std::string> notes;       ///< remarks for the user, one line each
  std::optional<LaunchError> obstacle;  ///< why the command line would fail here; nothing if it would not
  int ranks = 1;
  std::size_t launcher_words = 0;  ///< the number of `words` before those of the command
  bool keeps_rank_0_here = false;  ///< the launcher is Open MPI's mpirun, and rank 0 surely runs on this host
};

/// Throws LaunchError if another launcher has started this process as one of its ranks.
void require_no_outer_launch(const LaunchEnvironment& environment);

/// Decides how to start `command` on ranks. Throws LaunchError if that is impossible.
[[nodiscard]] LaunchPlan plan_launch(const LaunchOptions& options, const LaunchEnvironment& environment,
                                     const Command& command);

/// Returns the plan as a line that can be pasted into a shell.
[[nodiscard]] std::string shell_line(const LaunchPlan& plan);

}  // namespace joblib_mpi::launch
