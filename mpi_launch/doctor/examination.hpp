#pragma once

#include "command/captured_run.hpp"
#include "doctor/diagnosis.hpp"

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// What a run of the probe has shown.
struct Examination {
  std::optional<JobReport> report;
  Problems problems;
  std::string words;  ///< what the launcher and the ranks said beside

  [[nodiscard]] bool run_would_fail() const;
};

/// Decides from what a run has left behind alone.
[[nodiscard]] Examination examine(const CapturedRun& run, const Expectations& expected);

}  // namespace joblib_mpi::launch
