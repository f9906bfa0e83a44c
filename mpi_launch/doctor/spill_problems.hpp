#pragma once

#include "doctor/diagnosis.hpp"

namespace joblib_mpi::launch {

/// A spill folder that cannot be used.
[[nodiscard]] Problems spill_problems(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
