#pragma once

#include <mpi.h>

namespace joblib_mpi {

/// Throws MpiError that names the operation and MPI's own words, if `code` is not MPI_SUCCESS.
/// Every return code of MPI passes through here; our communicator returns errors instead of aborting.
void check_mpi(int code, const char* operation);

}  // namespace joblib_mpi
