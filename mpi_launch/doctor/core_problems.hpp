#pragma once

#include "doctor/diagnosis.hpp"

namespace joblib_mpi::launch {

/// Ranks that have too few cores, or the same ones.
[[nodiscard]] Problems core_problems(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
