#pragma once

#include "core/last_words.hpp"

#include <memory>

namespace joblib_mpi {

/// While the object that is returned lives, MPI is being initialised: if this process ends in that because srun has
/// started it without PMIx, that is said. Null if it was not.
[[nodiscard]] std::unique_ptr<LastWords> explain_failing_start();

/// Throws MpiError if this process is the only rank of its job though its launcher has started several: MPI of another
/// kind than the launcher's makes each a job of its own, and each would run the whole program. Only the first of them
/// throws; the others end, with status 1, after they have let it speak.
void refuse_lonely_start();

}  // namespace joblib_mpi
