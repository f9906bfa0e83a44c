#pragma once

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// A batch job as Slurm's controller sees it.
struct JobState {
  std::string state;   ///< "RUNNING"
  std::string reason;  ///< why it waits; empty if it does not
  std::string output;  ///< path of its output file
  int exit_code = 0;
  int signal = 0;
  int restarts = 0;

  /// Whether it will not run any more.
  [[nodiscard]] bool is_over() const;
  /// Of a job that is over, as a shell would have it: never 0 for one that Slurm has ended.
  [[nodiscard]] int exit_status() const;
};

/// What `scontrol show job --oneliner` prints of one job; none if it knows no such job.
[[nodiscard]] std::optional<JobState> job_state_from(const std::string& scontrol_line);

}  // namespace joblib_mpi::launch
