#pragma once

#include "executor/zygote.hpp"
#include <joblib_mpi/isolation.hpp>

#include <memory>

namespace joblib_mpi {

/// JOBLIB_MPI_ISOLATION. Throws UsageError if it is neither "none" nor "process".
[[nodiscard]] Isolation isolation_from_environment();

/// Whether this process may become a worker rank: any but rank 0, as far as the launcher's environment says before
/// MPI_Init. Without a launcher's word every process may.
[[nodiscard]] bool may_become_worker();

/// Forks the zygote for registered C++ functions. Only in the rank does it return: an executor process runs tasks until
/// there are none and ends. A task that is interrupted ends its process, since a function cannot be.
[[nodiscard]] std::unique_ptr<Zygote> fork_zygote_of_registered_functions();

}  // namespace joblib_mpi
