#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::launch {

/// Returns `word` in a form that a shell reads back as `word`; adds quotes only if they are needed.
[[nodiscard]] std::string shell_quoted(std::string_view word);

/// Returns all `words`, each quoted for a shell if needed, with spaces between them.
[[nodiscard]] std::string shell_quoted(const std::vector<std::string>& words);

}  // namespace joblib_mpi::launch
