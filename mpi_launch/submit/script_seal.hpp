#pragma once

#include <string>

namespace joblib_mpi::launch {

/// `script` with a second line that tells whether anybody has changed it since.
[[nodiscard]] std::string sealed(const std::string& script);

/// Whether `script` is just as `sealed` made it.
[[nodiscard]] bool has_intact_seal(const std::string& script);

}  // namespace joblib_mpi::launch
