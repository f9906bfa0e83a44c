#pragma once

#include "run/variables.hpp"

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// The facts about this process and its machine from which a launch is planned.
struct Facts {
  VariableMap variables;  ///< the environment
  int cores = 1;          ///< cores that this process may use
  bool is_root = false;
  std::optional<std::string> mpirun_version;  ///< what `mpirun --version` prints; nothing if PATH has no mpirun
  std::optional<std::string>
      srun_mpi_list;      ///< what `srun --mpi=list` prints; nothing outside Slurm or if PATH has no srun
  std::string host_file;  ///< contents of $PBS_NODEFILE or $LSB_DJOB_HOSTFILE
  std::string mca_file;   ///< contents of ~/.openmpi/mca-params.conf, in which users set parameters of Open MPI
};

/// Collects the facts; runs mpirun and srun, each with a time limit.
[[nodiscard]] Facts collect_facts();

}  // namespace joblib_mpi::launch
