#pragma once

#include "doctor/problem.hpp"
#include "probe/report.hpp"
#include "run/mpi_version.hpp"

#include <string>

namespace joblib_mpi::launch {

/// The job that was asked for, with which the report is compared.
struct Expectations {
  int ranks = 1;
  int threads_per_rank = 1;
  MpiVersion launcher;               ///< without a name if it is unknown
  bool needs_python = false;         ///< an unusable Python makes a run fail
  bool chosen_spill_folder = false;  ///< the user named a spill folder
};

/// Returns all problems that `report` shows, the worst first. A pure function.
[[nodiscard]] Problems diagnose(const JobReport& report, const Expectations& expected);

}  // namespace joblib_mpi::launch
