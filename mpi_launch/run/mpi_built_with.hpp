#pragma once

#include "run/mpi_version.hpp"

namespace joblib_mpi::launch {

/// Returns the MPI with whose headers this build was compiled: this command, the library and the Python module.
[[nodiscard]] MpiVersion mpi_built_with();

}  // namespace joblib_mpi::launch
