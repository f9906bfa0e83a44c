#include "mpi_module/mpi_state.hpp"

#include "mpi/mpi_check.hpp"

#include <mpi.h>

namespace joblib_mpi {

bool mpi_is_initialized() {
  int initialized = 0;
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  return initialized != 0;
}

}  // namespace joblib_mpi
