#pragma once

#include "command/options.hpp"
#include "run/environment.hpp"

namespace joblib_mpi::launch {

/// Carries out `joblib-mpi run`: replaces this process by the launcher and does not return; with `dry_run` prints the
/// launcher's command line and returns the exit status. Throws LaunchError if the ranks cannot be started.
int run(const RunOptions& options);

/// Refuses to run as one of several processes of a launcher: in the first of them it throws LaunchError. In the others
/// it ends the process silently and later, because the launcher may end all processes with the first that ends.
void leave_if_launched(const LaunchEnvironment& environment);

}  // namespace joblib_mpi::launch
