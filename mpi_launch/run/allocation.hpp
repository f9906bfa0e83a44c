#pragma once

#include "run/variables.hpp"

#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// A batch system.
enum class Scheduler { slurm, pbs, lsf };

/// The resources that a batch system has given this job.
struct Allocation {
  struct Node {
    int tasks = 1;
    int cores = 1;
  };

  Scheduler scheduler = Scheduler::slurm;
  std::string job;                    ///< the id of the job
  std::vector<Node> nodes;            ///< at least one
  std::optional<int> cores_per_task;  ///< set if the user asked for a number
  bool says_tasks_per_node = false;   ///< Slurm: the user set it, and srun will repeat it
  std::string host_file;              ///< path of a file with a line for each task; empty with Slurm
  bool inside_step = false;           ///< Slurm: this is a step of one task, such as `srun --pty bash`
  bool is_this_host = false;          ///< this process runs on its only node

  [[nodiscard]] int tasks() const;
  [[nodiscard]] int cores() const;
};

/// Returns the allocation in words: "Slurm job 12".
[[nodiscard]] std::string to_string(const Allocation& allocation);

/// Returns the allocation that the environment `variables` describe; nothing outside of an allocation. `host_file` is
/// the content of the file that PBS_NODEFILE or LSB_DJOB_HOSTFILE names.
[[nodiscard]] std::optional<Allocation> allocation_from(const VariableMap& variables, const std::string& host_file);

}  // namespace joblib_mpi::launch
