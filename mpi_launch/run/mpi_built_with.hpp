#pragma once

#include "run/mpi_version.hpp"

namespace joblib_mpi::launch {

/// The MPI whose headers this command, and so the library and the Python module of the same build, were compiled with.
[[nodiscard]] MpiVersion mpi_built_with();

}  // namespace joblib_mpi::launch
