#pragma once

#include "doctor/examination.hpp"

#include <string>

namespace joblib_mpi::launch {

/// What was found, for people: at most 100 characters wide, ranks with the same facts in one line. `command` is how the
/// ranks were started.
[[nodiscard]] std::string to_table(const Examination& examination, const std::string& command);

}  // namespace joblib_mpi::launch
