#pragma once

#include "doctor/diagnosis.hpp"

namespace joblib_mpi::launch {

/// What is wrong with MPI itself: versions, missing ranks, threads, ULFM.
[[nodiscard]] Problems mpi_problems(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
