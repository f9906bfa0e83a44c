#pragma once

#include "command/options.hpp"
#include "run/environment.hpp"

namespace joblib_mpi::launch {

/// `joblib-mpi run`: becomes the launcher's process; with `dry_run` it prints what that would be, and returns the exit
/// status. Throws LaunchError.
int run(const RunOptions& options);

/// Where a launcher has started many of this command, the first one throws LaunchError and the others keep quiet: they
/// end after it, because the launcher may end all with the first that does.
void leave_if_launched(const LaunchEnvironment& environment);

}  // namespace joblib_mpi::launch
