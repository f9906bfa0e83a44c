#pragma once

#include <cstdint>
#include <string>

namespace joblib_mpi::launch {

/// Returns a number of bytes as a readable text: "512 MiB", "2.4 GiB".
[[nodiscard]] std::string in_words(std::uint64_t bytes);

}  // namespace joblib_mpi::launch
