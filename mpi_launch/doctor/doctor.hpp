#pragma once

#include "command/options.hpp"

namespace joblib_mpi::launch {

/// `joblib-mpi doctor`: starts ranks, has them look at what a run depends on, and prints what was found. Returns the
/// exit status: 1 if a run would fail. Throws LaunchError if it cannot do even that.
int doctor(const DoctorOptions& options);

}  // namespace joblib_mpi::launch
