#pragma once

#include "command/options.hpp"
#include "run/launch_plan.hpp"

#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// Returns the command that each rank runs for `program`. Throws LaunchError if the program does not exist, or if it is
/// a script whose Python has no joblib_mpi.
[[nodiscard]] Command command_for(const std::vector<std::string>& program, const PythonOptions& options);

/// Returns the command that each rank runs for `joblib-mpi serve`. Throws LaunchError if its Python has no joblib_mpi.
[[nodiscard]] Command command_that_serves(const ServeOptions& options);

/// Returns the command `joblib-mpi list` or `stop` in Python. Throws LaunchError if its Python has no joblib_mpi.
[[nodiscard]] std::vector<std::string> command_about_jobs(const ServingJobsOptions& options);

/// Returns the command `joblib-mpi connect` in Python, which says itself if joblib_mpi is missing there.
[[nodiscard]] std::vector<std::string> command_that_connects(const ConnectOptions& options);
/// Returns the command `joblib-mpi kernel` in Python. Throws LaunchError if its Python has no joblib_mpi.
[[nodiscard]] std::vector<std::string> command_about_kernels(const KernelOptions& options);

/// Returns the Python that runs scripts: --python, or else the first that exists of that of $VIRTUAL_ENV, the one
/// beside this command, and python3 on PATH. Throws LaunchError if there is none.
[[nodiscard]] std::string find_python(const PythonOptions& options);

}  // namespace joblib_mpi::launch
