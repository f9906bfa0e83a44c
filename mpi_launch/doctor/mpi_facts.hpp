#pragma once

#include "doctor/report.hpp"

namespace joblib_mpi::launch {

/// What this rank sees of MPI, which must be initialised.
[[nodiscard]] MpiFacts mpi_facts();

}  // namespace joblib_mpi::launch
