#pragma once

#include <string>

namespace joblib_mpi::launch {

/// Returns `script` with an added second line that shows whether the script was changed later.
[[nodiscard]] std::string sealed(const std::string& script);

/// Returns whether `script` is exactly as `sealed` returned it.
[[nodiscard]] bool has_intact_seal(const std::string& script);

}  // namespace joblib_mpi::launch
