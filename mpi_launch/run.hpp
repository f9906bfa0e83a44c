#pragma once

#include "options.hpp"

namespace joblib_mpi::launch {

/// `joblib-mpi run`: becomes the launcher's process; with `dry_run` it prints what that would be, and returns the exit
/// status. Throws LaunchError.
int run(const RunOptions& options);

}  // namespace joblib_mpi::launch
