#pragma once

#include "command/options.hpp"

#include <string>

namespace joblib_mpi::launch {

/// The commands that the batch script calls, found on the host where the job is submitted.
struct BatchCommands {
  std::string joblib_mpi;  ///< path of the command joblib-mpi
  std::string python;      ///< path of the Python that runs a script; empty for a program
  Launcher launcher = Launcher::srun;
};

/// Returns the job's name: --job-name, or else the name of the script or program. Throws LaunchError if it cannot be
/// part of a file name.
[[nodiscard]] std::string job_name(const SubmitOptions& options);

/// Returns the file that the job writes to, with Slurm's % patterns.
[[nodiscard]] std::string job_output(const SubmitOptions& options);

/// Checks for mistakes that Slurm would notice late or never. Throws LaunchError.
void check_submission(const SubmitOptions& options);

/// Returns the text of the batch script.
[[nodiscard]] std::string batch_script(const SubmitOptions& options, const BatchCommands& commands);

}  // namespace joblib_mpi::launch
