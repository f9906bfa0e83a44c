#pragma once

#include <string>
#include <typeinfo>
#include <vector>

namespace joblib_mpi {

/// Returns the compiler's names of `type` and of its public base classes, the nearest first. Just `type` for a type
/// that is no class.
[[nodiscard]] std::vector<std::string> names_of_class_and_bases(const std::type_info& type);

}  // namespace joblib_mpi
