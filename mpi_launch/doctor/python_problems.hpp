#pragma once

#include "doctor/diagnosis.hpp"

namespace joblib_mpi::launch {

/// A Python that cannot be used, or that is another one on another host.
[[nodiscard]] Problems python_problems(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
