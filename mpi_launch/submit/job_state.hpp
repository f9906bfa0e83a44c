#pragma once

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// A batch job as Slurm's controller sees it.
struct JobState {
  std::string state;   ///< "RUNNING"
  std::string reason;  ///< why the job waits or failed; empty if Slurm gives none
  std::string output;  ///< path of the output file
  int exit_code = 0;
  int signal = 0;
  int restarts = 0;

  /// Returns whether the job has ended for good.
  [[nodiscard]] bool is_over() const;
  /// Returns the exit status of a job that is over, as a shell reports it; never 0 for a job that Slurm has ended.
  [[nodiscard]] int exit_status() const;
};

/// Parses what `scontrol show job --oneliner` prints for one job. Returns nothing if Slurm does not know the job.
[[nodiscard]] std::optional<JobState> job_state_from(const std::string& scontrol_line);

}  // namespace joblib_mpi::launch
