#pragma once

#include "command/captured_run.hpp"
#include "doctor/diagnosis.hpp"

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// The findings of one run of the probe.
struct Examination {
  std::optional<JobReport> report;
  Problems problems;
  std::string words;  ///< all other output of the launcher and the ranks

  /// Returns whether any problem makes a run fail.
  [[nodiscard]] bool run_would_fail() const;
};

/// Evaluates the output and the exit status of a run of the probe. A pure function.
[[nodiscard]] Examination examine(const CapturedRun& run, const Expectations& expected);

}  // namespace joblib_mpi::launch
