#pragma once

#include "command/options.hpp"
#include "run/launch_plan.hpp"

#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// What each rank runs for `program`. Looks whether it is there, and joblib_mpi in its Python; throws LaunchError.
[[nodiscard]] Command command_for(const std::vector<std::string>& program, const PythonOptions& options);

/// The Python that scripts run in: --python, else that of $VIRTUAL_ENV, the one beside this command, python3 on PATH.
/// Throws LaunchError if there is none.
[[nodiscard]] std::string find_python(const PythonOptions& options);

}  // namespace joblib_mpi::launch
