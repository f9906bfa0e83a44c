#pragma once

#include "options.hpp"

namespace joblib_mpi::launch {

/// `joblib-mpi doctor`; returns the exit status.
int doctor(const DoctorOptions& options);

}  // namespace joblib_mpi::launch
