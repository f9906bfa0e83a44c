#pragma once

#include "command/launch_error.hpp"
#include "command/options.hpp"
#include "run/environment.hpp"
#include "run/launch_plan.hpp"

#include <sstream>
#include <string>
#include <variant>
#include <vector>

namespace joblib_mpi::launch::test {

inline const char* const open_mpi_4 =
    "mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/\n";
inline const char* const open_mpi_5 =
    "mpirun (Open MPI) 5.0.7\n\nReport bugs to https://www.open-mpi.org/community/help/\n";
inline const char* const mpich =
    "HYDRA build details:\n    Version:                                 4.0.2\n    Release Date: Thu Apr  7 2022\n";
inline const char* const intel_mpi =
    "Intel(R) MPI Library for Linux* OS, Version 2021.9 Build 20230307\nCopyright 2003-2023, Intel Corporation.\n";

inline const char* const srun_with_pmix =
    "MPI plugin types are...\n\tpmi2\n\tpmix\n\tnone\nspecific pmix plugin versions available: pmix_v4\n";
inline const char* const srun_without_pmix = "MPI plugin types are...\n\tpmi2\n\tnone\n";

inline Facts machine(int cores, const char* mpirun = open_mpi_4) {
  return {.variables = {},
          .cores = cores,
          .is_root = false,
          .mpirun_version = mpirun,
          .srun_mpi_list = {},
          .host_file = "",
          .mca_file = ""};
}

/// Returns the facts inside `salloc --nodes=3 --ntasks-per-node=2` on nodes with 4 cores, all of which the job has.
inline Facts slurm_job(const char* srun = srun_with_pmix) {
  Facts facts = machine(4);
  facts.srun_mpi_list = srun;
  facts.variables = {{"SLURM_JOB_ID", "12"},
                     {"SLURM_JOB_CPUS_PER_NODE", "4(x3)"},
                     {"SLURM_NTASKS", "6"},
                     {"SLURM_TASKS_PER_NODE", "2(x3)"},
                     {"SLURM_NTASKS_PER_NODE", "2"}};
  return facts;
}

inline Facts with(Facts facts, const VariableMap& variables) {
  for (const auto& [name, value] : variables) facts.variables[name] = value;
  return facts;
}

/// Returns the plan of `joblib-mpi run LINE` for a program that exists; spaces separate the words of the line.
inline LaunchPlan plan_of(const Facts& facts, const std::string& line,
                          const MpiVersion& built_with = {"Open MPI", "4.1.4", 4}) {
  std::vector<std::string> words{"run"};
  std::istringstream stream(line);
  for (std::string word; stream >> word;) words.push_back(word);
  const RunOptions options = std::get<RunOptions>(options_from(words));
  return plan_launch(options.launch, environment_from(facts, built_with), {options.program, false, {}});
}

inline std::string line_of(const Facts& facts, const std::string& line,
                           const MpiVersion& built_with = {"Open MPI", "4.1.4", 4}) {
  return shell_line(plan_of(facts, line, built_with));
}

}  // namespace joblib_mpi::launch::test
