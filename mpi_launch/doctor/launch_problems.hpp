#pragma once

#include "command/captured_run.hpp"
#include "doctor/diagnosis.hpp"
#include "probe/attendance.hpp"

namespace joblib_mpi::launch {

/// Returns the reasons why a launch did not lead to a complete report, as far as the output of the launcher and of the
/// ranks shows them. A pure function.
[[nodiscard]] Problems launch_problems(const CapturedRun& run, const Attendance& attendance,
                                       const Expectations& expected);

}  // namespace joblib_mpi::launch
