#pragma once

#include "command/options.hpp"

namespace joblib_mpi::launch {

/// `joblib-mpi submit`: writes the batch script and submits it, or with `dry_run` prints it; returns the exit status.
/// Throws LaunchError.
int submit(const SubmitOptions& options);

}  // namespace joblib_mpi::launch
