#pragma once

#include "doctor/problem.hpp"
#include "probe/report.hpp"
#include "run/mpi_version.hpp"

#include <string>

namespace joblib_mpi::launch {

/// What the ranks were meant to be.
struct Expectations {
  int ranks = 1;
  int threads_per_rank = 1;
  MpiVersion launcher;               ///< without a name: it did not say
  bool needs_python = false;         ///< not only if it is there
  bool chosen_spill_folder = false;  ///< by the user
};

/// All that is wrong, the worst first. A pure function.
[[nodiscard]] Problems diagnose(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
