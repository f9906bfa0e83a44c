#pragma once

#include <cstdint>
#include <string>

namespace joblib_mpi::launch {

/// A number of bytes for people: "512 MiB", "23.4 GiB".
[[nodiscard]] std::string in_words(std::uint64_t bytes);

}  // namespace joblib_mpi::launch
