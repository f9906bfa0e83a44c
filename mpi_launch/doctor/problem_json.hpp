#pragma once

#include "doctor/problem.hpp"

#include <nlohmann/json.hpp>

namespace joblib_mpi::launch {

// What makes problems JSON, by the names of their fields, and back.

NLOHMANN_JSON_SERIALIZE_ENUM(Severity,
                             {{Severity::fails, "fails"}, {Severity::warns, "warning"}, {Severity::note, "note"}})

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Problem, severity, what, remedy)

}  // namespace joblib_mpi::launch
