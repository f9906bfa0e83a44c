#pragma once

#include "doctor/diagnosis.hpp"

namespace joblib_mpi::launch {

/// Memory, shared memory and open files that are too few.
[[nodiscard]] Problems memory_problems(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
