#pragma once

#include "command/options.hpp"

namespace joblib_mpi::launch {

/// Carries out `joblib-mpi doctor`: starts ranks that examine what a run depends on, and prints the findings. Returns
/// the exit status: 0 if a run would work, 1 if it would fail. Throws LaunchError if the command cannot be carried out.
int doctor(const DoctorOptions& options);

}  // namespace joblib_mpi::launch
