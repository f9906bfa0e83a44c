#pragma once

#include "run/variables.hpp"

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// What there is to know about this process and its machine before anything is decided.
struct Facts {
  VariableMap variables;  ///< the environment
  int cores = 1;          ///< that this process may use
  bool is_root = false;
  std::optional<std::string> mpirun_version;  ///< what `mpirun --version` prints; none if there is no mpirun on PATH
  std::optional<std::string> srun_mpi_list;   ///< what `srun --mpi=list` prints; none if there is no srun on PATH
  std::string host_file;                      ///< contents of $PBS_NODEFILE or $LSB_DJOB_HOSTFILE
};

/// Collects them; asks mpirun and srun, with a time limit.
[[nodiscard]] Facts collect_facts();

}  // namespace joblib_mpi::launch
