#pragma once

#include <cstdint>

namespace joblib_mpi {

/// Raises the number of files that this process may open to the hard limit, at most to 65536: every shared segment is
/// an open file, and vm.max_map_count lets a process map no more by default. Children inherit the limit.
void raise_open_file_limit() noexcept;

/// Returns the number of files that this process may open, UINT64_MAX if there is no limit.
[[nodiscard]] std::uint64_t open_file_limit() noexcept;

}  // namespace joblib_mpi
