#pragma once

#include <mpi.h>

#include <vector>

namespace joblib_mpi {

/// Whether this MPI tells of dead ranks: it has User-Level Failure Mitigation (MPI-5.0 proposal "ULFM", in Open MPI 5)
/// and was started with it (`mpirun --with-ft ulfm`). If not, an operation with a dead rank just never completes. MPI
/// must be initialised.
[[nodiscard]] bool mpi_tells_of_dead_ranks();

/// Whether `code` says that a rank is dead, or that a communicator was left for that reason.
[[nodiscard]] bool is_rank_failure(int code);

/// All ranks of `communicator` that MPI knows to be dead. Receives from any source
/// go on afterwards. Empty if MPI does not tell.
[[nodiscard]] std::vector<int> dead_ranks(MPI_Comm communicator);

/// Makes all operations under way on `communicator` fail, here and, as the news travels, on the others. Does nothing if
/// MPI cannot.
void revoke(MPI_Comm communicator);

}  // namespace joblib_mpi
