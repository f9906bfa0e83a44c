#pragma once

#include <mpi.h>

namespace joblib_mpi {

/// Throws MpiError, with the name of the operation and the text of MPI, if `code` is not MPI_SUCCESS. Every return code
/// of MPI passes through here; the library's communicators return errors instead of aborting.
void check_mpi(int code, const char* operation);

}  // namespace joblib_mpi
