#pragma once

#include "doctor/report.hpp"

#include <string>

namespace joblib_mpi::launch {

/// Asks a Python for its version and those of the packages that a run needs, in a process of its own that knows nothing
/// of the job it is part of. joblib_mpi is really imported, as a run would. To be called before MPI_Init.
[[nodiscard]] PythonFacts ask_python(const std::string& executable, double limit_seconds);

}  // namespace joblib_mpi::launch
