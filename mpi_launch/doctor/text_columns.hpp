#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

using Row = std::vector<std::string>;

/// Returns the rows as lines, with their columns aligned and two spaces between columns.
[[nodiscard]] std::string aligned(const std::vector<Row>& rows);

/// Returns `text` broken at spaces so that no line goes beyond column `width`. The first line is to be written at
/// column `indent`, to which the others are indented.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t width, std::size_t indent);

}  // namespace joblib_mpi::launch
