#pragma once

#include <mpi.h>

#include <vector>

namespace joblib_mpi {

/// Returns whether this MPI reports dead ranks: it has User-Level Failure Mitigation (MPI-5.0 proposal "ULFM", in Open
/// MPI 5) and was started with it (`mpirun --with-ft ulfm`). Otherwise an operation with a dead rank never completes.
/// MPI must be initialised.
[[nodiscard]] bool mpi_tells_of_dead_ranks();

/// Returns whether `code` means that a rank is dead, or that a communicator was revoked for that reason.
[[nodiscard]] bool is_rank_failure(int code);

/// Returns all ranks of `communicator` that MPI knows to be dead, and acknowledges their deaths, so that receives from
/// any source can continue. Returns none if MPI does not report deaths.
[[nodiscard]] std::vector<int> dead_ranks(MPI_Comm communicator);

/// Makes all pending operations on `communicator` fail, on this rank and, as the news spreads, on the others. Does
/// nothing without ULFM.
void revoke(MPI_Comm communicator);

}  // namespace joblib_mpi
