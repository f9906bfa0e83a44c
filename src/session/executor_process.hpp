#pragma once

#include "executor/zygote.hpp"
#include <joblib_mpi/isolation.hpp>

#include <memory>

namespace joblib_mpi {

/// Returns the value of JOBLIB_MPI_ISOLATION, by default Isolation::none. Throws UsageError if it is neither "none" nor
/// "process".
[[nodiscard]] Isolation isolation_from_environment();

/// Returns whether this process may become a worker: any but rank 0, by what the launcher's environment says before
/// MPI_Init. Returns true if the environment names no rank.
[[nodiscard]] bool may_become_worker();

/// Forks the zygote for registered C++ functions and returns it. Returns only in the rank: an executor process runs
/// tasks until there are none and ends. Interrupting a task ends its process, since a function cannot be interrupted.
[[nodiscard]] std::unique_ptr<Zygote> fork_zygote_of_registered_functions();

}  // namespace joblib_mpi
