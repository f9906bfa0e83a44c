#pragma once

#include "doctor/diagnosis.hpp"
#include "doctor/problem.hpp"
#include "probe/report.hpp"

namespace joblib_mpi::launch {

// The parts of a diagnosis, each in a file of its name.

/// Finds ranks that have too few cores, or the same ones.
[[nodiscard]] Problems core_problems(const JobReport& report, const Expectations& expected);
/// Finds ways from rank 0 to others that are closed, slow, or not the expected ones.
[[nodiscard]] Problems link_problems(const JobReport& report);
/// Finds too little memory, shared memory or open files.
[[nodiscard]] Problems memory_problems(const JobReport& report, const Expectations& expected);
/// Finds problems of MPI itself: versions, missing ranks, threads, ULFM.
[[nodiscard]] Problems mpi_problems(const JobReport& report, const Expectations& expected);
/// Finds a Python that cannot be used, or that differs between hosts.
[[nodiscard]] Problems python_problems(const JobReport& report, const Expectations& expected);
/// Finds a spill folder that cannot be used.
[[nodiscard]] Problems spill_problems(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
