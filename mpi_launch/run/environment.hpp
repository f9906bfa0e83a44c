#pragma once

#include "run/allocation.hpp"
#include "run/facts.hpp"
#include "run/mpi_version.hpp"

#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// Who has started this process as one of its ranks.
struct OuterLaunch {
  std::string launcher;  ///< "mpirun" or "srun"
  int rank = 0;
  int ranks = 1;
};

/// Where the command runs, and with which MPI.
struct LaunchEnvironment {
  int cores = 1;  ///< of this machine, for this process
  std::optional<Allocation> allocation;
  std::optional<OuterLaunch> outer;
  std::optional<MpiVersion> mpirun;  ///< none if there is none on PATH
  MpiVersion built_with;
  bool has_srun = false;
  bool srun_has_pmix = false;
  bool mpirun_refuses_root = false;     ///< this is root, and nobody has told Open MPI that it may be
  bool limits_threads = false;          ///< OMP_NUM_THREADS is set
  std::vector<std::string> to_pass_on;  ///< names of variables that ranks on other hosts need
};

/// Decides from `facts` alone.
[[nodiscard]] LaunchEnvironment environment_from(const Facts& facts, const MpiVersion& built_with);

}  // namespace joblib_mpi::launch
