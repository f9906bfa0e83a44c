#pragma once

#include "probe/report.hpp"

#include <string>

namespace joblib_mpi::launch {

// The facts that a rank reports about itself. Each function is defined in the file named after what it returns.

/// Returns what this process sees of its machine now. Facts that cannot be determined are left empty.
[[nodiscard]] MachineFacts machine_facts();

/// Returns what this rank sees of MPI, which must be initialised.
[[nodiscard]] MpiFacts mpi_facts();

/// Asks a Python for its version and those of the packages that a run needs, in a process that does not see the
/// launcher's variables. That process imports joblib_mpi, as a run does. To be called before MPI_Init.
[[nodiscard]] PythonFacts ask_python(const std::string& executable, double limit_seconds);

}  // namespace joblib_mpi::launch
