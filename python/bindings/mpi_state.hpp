#pragma once

namespace joblib_mpi {

/// Whether this process has called MPI_Init.
[[nodiscard]] bool mpi_is_initialized();

}  // namespace joblib_mpi
