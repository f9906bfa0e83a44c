#pragma once

#include "command/options.hpp"

namespace joblib_mpi::launch {

/// Carries out `joblib-mpi submit`: writes the batch script and submits it, or with `dry_run` prints it. Returns the
/// exit status. Throws LaunchError if the job cannot be submitted.
int submit(const SubmitOptions& options);

}  // namespace joblib_mpi::launch
