#pragma once

#include "doctor/problem.hpp"
#include "doctor/report.hpp"

namespace joblib_mpi::launch {

/// Ways from rank 0 to others that are closed, slow, or not what they should be.
[[nodiscard]] Problems link_problems(const JobReport& report);

}  // namespace joblib_mpi::launch
