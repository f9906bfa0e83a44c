#pragma once

#include "doctor/problem.hpp"

#include <nlohmann/json.hpp>

namespace joblib_mpi::launch {

// Conversions between problems and JSON objects with fields of the same names.

NLOHMANN_JSON_SERIALIZE_ENUM(Severity,
                             {{Severity::fails, "fails"}, {Severity::warns, "warning"}, {Severity::note, "note"}})

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Problem, severity, what, remedy)

}  // namespace joblib_mpi::launch
