#include "run/mpi_built_with.hpp"

#include <mpi.h>  // for its macros alone: the command links no MPI

#include <cstdlib>

namespace joblib_mpi::launch {

MpiVersion mpi_built_with() {
#if defined(OMPI_MAJOR_VERSION)
  return {"Open MPI",
          std::to_string(OMPI_MAJOR_VERSION) + "." + std::to_string(OMPI_MINOR_VERSION) + "." +
              std::to_string(OMPI_RELEASE_VERSION),
          OMPI_MAJOR_VERSION};
#elif defined(I_MPI_VERSION)
  return {"Intel MPI", I_MPI_VERSION, std::atoi(I_MPI_VERSION)};
#elif defined(MPICH_VERSION)
  return {"MPICH", MPICH_VERSION, std::atoi(MPICH_VERSION)};
#else
  return {"another MPI", "", 0};
#endif
}

}  // namespace joblib_mpi::launch
