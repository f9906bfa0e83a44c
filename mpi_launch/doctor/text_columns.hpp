#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

using Row = std::vector<std::string>;

/// Rows with their columns below each other, two spaces between, each row a line.
[[nodiscard]] std::string aligned(const std::vector<Row>& rows);

/// `text` broken at spaces, to be written from column `indent` on, where its other lines begin, too, up to `width`.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t width, std::size_t indent);

}  // namespace joblib_mpi::launch
