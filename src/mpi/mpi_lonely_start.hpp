#pragma once

#include "core/last_words.hpp"

#include <memory>

namespace joblib_mpi {

/// Returns an object to be held during MPI_Init if srun has started this process without PMIx: should the process end
/// while it lives, the reason is printed. Returns null otherwise, and in all but the first process of the launch.
[[nodiscard]] std::unique_ptr<LastWords> explain_failing_start();

/// Throws MpiError if this process is the only rank of its job although its launcher has started several: an MPI that
/// does not match the launcher makes each process a separate job, and each would run the whole program. Only the first
/// process throws; the others exit with status 1 after they have given it time to print the message.
void refuse_lonely_start();

}  // namespace joblib_mpi
