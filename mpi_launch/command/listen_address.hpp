#pragma once

#include <string>

namespace joblib_mpi::launch {

/// Returns an empty text if `text` is an address HOST:PORT or [HOST]:PORT with a port from 0 to 65535, or else an error
/// text that says what is allowed. Only rank 0 can tell whether its host has the address.
[[nodiscard]] std::string why_no_address(const std::string& text);

}  // namespace joblib_mpi::launch
