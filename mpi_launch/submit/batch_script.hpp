#pragma once

#include "command/options.hpp"

#include <string>

namespace joblib_mpi::launch {

/// What the batch script calls, found where the job is submitted.
struct BatchCommands {
  std::string joblib_mpi;  ///< path of this command
  std::string python;      ///< of a script; else empty
  Launcher launcher = Launcher::srun;
};

/// The job's name: --job-name, else the script's or program's. Throws LaunchError if it cannot be part of a file's
/// name.
[[nodiscard]] std::string job_name(const SubmitOptions& options);

/// The file that the job writes to, with Slurm's % patterns.
[[nodiscard]] std::string job_output(const SubmitOptions& options);

/// Checks what Slurm itself would notice late, or never. Throws LaunchError.
void check_submission(const SubmitOptions& options);

/// The text of the script for sbatch.
[[nodiscard]] std::string batch_script(const SubmitOptions& options, const BatchCommands& commands);

}  // namespace joblib_mpi::launch
