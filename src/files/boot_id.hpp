#pragma once

#include <string>

namespace joblib_mpi {

/// Returns the id of this machine's current boot, which no other machine has; empty if it cannot be read.
[[nodiscard]] std::string boot_id();

}  // namespace joblib_mpi
