#pragma once

#include "run/environment.hpp"
#include "run/launch_plan.hpp"

#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// Returns where this process may start ranks. As one of several processes of a launcher it may not: in the first of
/// them the function throws LaunchError. The others it ends silently and later, because the launcher may end all
/// processes with the first that ends.
[[nodiscard]] LaunchEnvironment environment_for_ranks();

/// Starts the ranks and returns the job's exit status. If rank 0 may run on another host, the launcher replaces this
/// process, and the function does not return. With `dry_run` it only prints the launcher's command line. Throws
/// LaunchError if the ranks cannot be started.
int start(const LaunchPlan& plan, bool dry_run);

/// Replaces this process by the command `words`, the first of which is looked up on PATH. Throws LaunchError if that
/// is impossible.
[[noreturn]] void become(const std::vector<std::string>& words);

}  // namespace joblib_mpi::launch
