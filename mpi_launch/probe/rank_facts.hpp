#pragma once

#include "probe/report.hpp"

#include <string>

namespace joblib_mpi::launch {

// The facts that a rank reports of itself, each kind in a file of its own.

/// Returns what this process sees of its machine now. Facts that cannot be found out are left empty.
[[nodiscard]] MachineFacts machine_facts();

/// Returns what this rank sees of MPI, which must be initialised.
[[nodiscard]] MpiFacts mpi_facts();

/// Asks a Python for its version and those of the packages that a run needs, in a process that knows nothing of the job
/// it is part of. joblib_mpi is really imported, as a run would. To be called before MPI_Init.
[[nodiscard]] PythonFacts ask_python(const std::string& executable, double limit_seconds);

}  // namespace joblib_mpi::launch
