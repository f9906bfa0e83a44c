#pragma once

#include "run/allocation.hpp"
#include "run/facts.hpp"
#include "run/mpi_version.hpp"

#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// A launcher that has started this process as one of its ranks.
struct OuterLaunch {
  std::string launcher;  ///< "mpirun" or "srun"
  int rank = 0;
  int ranks = 1;
};

/// The machine, allocation and MPI that the command finds.
struct LaunchEnvironment {
  int cores = 1;  ///< cores of this machine that this process may use
  std::optional<Allocation> allocation;
  std::optional<OuterLaunch> outer;
  std::optional<MpiVersion> mpirun;  ///< nothing if PATH has no mpirun
  MpiVersion built_with;
  bool has_srun = false;
  bool srun_has_pmix = false;
  bool mpirun_refuses_root = false;     ///< the user is root, and Open MPI was not told to allow that
  bool limits_threads = false;          ///< OMP_NUM_THREADS is set
  bool chooses_transport = false;       ///< the user has told Open MPI how ranks communicate
  bool names_hosts = false;             ///< the user has told Open MPI on which hosts ranks run
  std::vector<std::string> to_pass_on;  ///< names of variables that ranks on other hosts need
};

/// Interprets `facts`. A pure function.
[[nodiscard]] LaunchEnvironment environment_from(const Facts& facts, const MpiVersion& built_with);

}  // namespace joblib_mpi::launch
