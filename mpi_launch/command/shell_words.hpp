#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::launch {

/// `word` as a shell reads it back, quoted only if it must be.
[[nodiscard]] std::string shell_quoted(std::string_view word);

/// The same of several, with spaces between them.
[[nodiscard]] std::string shell_quoted(const std::vector<std::string>& words);

}  // namespace joblib_mpi::launch
