#pragma once

#include "command/options.hpp"

namespace joblib_mpi::launch {

/// Carries out `joblib-mpi run` and returns the job's exit status; if the launcher replaces this process, it does not
/// return. With `dry_run` it only prints the launcher's command line. Throws LaunchError if the ranks cannot be
/// started.
int run(const RunOptions& options);

}  // namespace joblib_mpi::launch
