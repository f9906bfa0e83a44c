#pragma once

#include <memory>

namespace joblib_mpi {

/// Keeps memory until the process ends, because MPI may touch it at any time: an operation on it is under way that
/// cannot complete, since the rank at its other end is gone.
void abandon_to_mpi(std::shared_ptr<const void> memory);

}  // namespace joblib_mpi
