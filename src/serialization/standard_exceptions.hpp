#pragma once

#include <joblib_mpi/error.hpp>

#include <string>
#include <unordered_map>

namespace joblib_mpi {

/// Returns how the exceptions of the standard library and of this library travel, by the compiler's names of their
/// types.
[[nodiscard]] std::unordered_map<std::string, detail::TravellingException> standard_exceptions();

}  // namespace joblib_mpi
