#pragma once

#include "doctor/examination.hpp"

#include <string>

namespace joblib_mpi::launch {

/// Returns the findings as a readable text, at most 100 characters wide, with one line for ranks that have equal facts.
/// `command` is the command line that started the ranks.
[[nodiscard]] std::string to_table(const Examination& examination, const std::string& command);

}  // namespace joblib_mpi::launch
