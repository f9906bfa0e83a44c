#pragma once

#include "command/options.hpp"
#include "run/environment.hpp"

namespace joblib_mpi::launch {

/// Carries out `joblib-mpi run` and returns the job's exit status. If rank 0 may run on another host, the launcher
/// replaces this process, and the function does not return. With `dry_run` it only prints the launcher's command line.
/// Throws LaunchError if the ranks cannot be started.
int run(const RunOptions& options);

/// Refuses to run as one of several processes of a launcher: in the first of them it throws LaunchError. In the others
/// it ends the process silently and later, because the launcher may end all processes with the first that ends.
void leave_if_launched(const LaunchEnvironment& environment);

}  // namespace joblib_mpi::launch
