#pragma once

#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// Becomes `command`, which mpirun has started as a rank through the program joblib-mpi. On rank 0 it first takes over
/// the standard streams of the process that listens at the `NodeSocket` `name`, in place of mpirun's: the user's own
/// terminal, file or pipe. Returns the status 127 if there is no such program.
[[nodiscard]] int become_rank(const std::string& name, const std::vector<std::string>& command);

}  // namespace joblib_mpi::launch
