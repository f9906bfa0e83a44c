#pragma once

#include "doctor/report.hpp"

namespace joblib_mpi::launch {

/// What this process sees of its machine now. What cannot be found out is left empty.
[[nodiscard]] MachineFacts machine_facts();

}  // namespace joblib_mpi::launch
