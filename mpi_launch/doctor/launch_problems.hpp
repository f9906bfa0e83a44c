#pragma once

#include "command/captured_run.hpp"
#include "doctor/diagnosis.hpp"
#include "probe/attendance.hpp"

namespace joblib_mpi::launch {

/// Why a launcher's ranks did not get as far as a whole report, as far as its words and theirs tell.
[[nodiscard]] Problems launch_problems(const CapturedRun& run, const Attendance& attendance,
                                       const Expectations& expected);

}  // namespace joblib_mpi::launch
