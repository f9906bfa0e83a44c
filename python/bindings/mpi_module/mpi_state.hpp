#pragma once

namespace joblib_mpi {

/// Returns whether this process has called MPI_Init.
[[nodiscard]] bool mpi_is_initialized();

}  // namespace joblib_mpi
