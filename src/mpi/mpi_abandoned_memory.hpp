#pragma once

#include <memory>

namespace joblib_mpi {

/// Keeps memory until the process ends, because MPI may access it at any time: an operation on it is pending that
/// cannot complete, since the rank at its other end is gone. Thread-safe.
void abandon_to_mpi(std::shared_ptr<const void> memory);

}  // namespace joblib_mpi
