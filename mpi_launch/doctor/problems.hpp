#pragma once

#include "doctor/diagnosis.hpp"
#include "doctor/problem.hpp"
#include "probe/report.hpp"

namespace joblib_mpi::launch {

// The parts of a diagnosis. Each function is defined in the file that has its name.

/// Finds ranks that have too few cores or share them.
[[nodiscard]] Problems core_problems(const JobReport& report, const Expectations& expected);
/// Finds links from rank 0 to other ranks that are broken, slow, or not over the expected transport.
[[nodiscard]] Problems link_problems(const JobReport& report);
/// Finds too little memory, shared memory or open files.
[[nodiscard]] Problems memory_problems(const JobReport& report, const Expectations& expected);
/// Finds problems with MPI: versions, missing ranks, thread support, ULFM.
[[nodiscard]] Problems mpi_problems(const JobReport& report, const Expectations& expected);
/// Finds a Python that cannot be used, or that differs between hosts.
[[nodiscard]] Problems python_problems(const JobReport& report, const Expectations& expected);
/// Finds a spill folder that cannot be used.
[[nodiscard]] Problems spill_problems(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
