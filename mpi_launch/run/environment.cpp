#include "run/environment.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

namespace joblib_mpi::launch {
namespace {

std::optional<OuterLaunch> outer_launch(const VariableMap& variables) {
  const auto rank = [&](const char* name) { return number_of(variables, name).value_or(0); };
  // Open MPI's variables are checked first: inside Slurm, mpirun starts its daemons as a step.
  if (const auto ranks = number_of(variables, "OMPI_COMM_WORLD_SIZE")) {
    return OuterLaunch{"mpirun", rank("OMPI_COMM_WORLD_RANK"), *ranks};
  }
  if (const auto ranks = number_of(variables, "SLURM_STEP_NUM_TASKS"); ranks && *ranks > 1) {
    return OuterLaunch{"srun", rank("SLURM_PROCID"), *ranks};
  }
  if (const auto ranks = number_of(variables, "PMI_SIZE"); ranks && !variables.contains("SLURM_STEP_ID")) {
    return OuterLaunch{"mpirun", rank("PMI_RANK"), *ranks};
  }
  return std::nullopt;
}

bool says_yes(const VariableMap& variables, const char* name) {
  return text_of(variables, name).starts_with('1');
}

bool root_is_allowed(const VariableMap& variables) {
  return (says_yes(variables, "OMPI_ALLOW_RUN_AS_ROOT") && says_yes(variables, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")) ||
         (says_yes(variables, "PRTE_ALLOW_RUN_AS_ROOT") && says_yes(variables, "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"));
}

/// Returns whether ranks on other hosts need this variable. mpirun itself passes on OMPI_MCA_…; variables of one
/// machine, such as TMPDIR, must not be passed on.
bool travels(const std::string& name) {
  static const char* const names[] = {
      "PATH",           "LD_LIBRARY_PATH",        "VIRTUAL_ENV",       "CONDA_PREFIX",
      "XDG_STATE_HOME", "VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS"};
  static const char* const beginnings[] = {"JOBLIB_MPI_", "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "BLIS_", "UCX_"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names) ||
         std::any_of(std::begin(beginnings), std::end(beginnings),
                     [&](const char* beginning) { return name.starts_with(beginning); });
}

/// Returns whether a parameter of Open MPI names hosts, or files that may.
bool is_about_hosts(std::string_view parameter) {
  return parameter.ends_with("hostfile") || parameter.ends_with("param_files");
}

/// Returns whether a parameter of Open MPI chooses the transport of messages.
bool is_about_transport(std::string_view parameter) {
  return parameter == "pml" || parameter == "btl" || parameter == "mtl" || parameter.starts_with("btl_tcp_");
}

/// Returns whether the user has set a parameter that `is_meant`, in a variable or in a line "name = value" of
/// `mca_file`.
bool sets_parameter(const VariableMap& variables, const std::string& mca_file,
                    bool (*is_meant)(std::string_view parameter)) {
  for (const auto& [variable, value] : variables) {
    for (const std::string_view prefix : {"OMPI_MCA_", "PRTE_MCA_"}) {
      if (variable.starts_with(prefix) && is_meant(std::string_view(variable).substr(prefix.size()))) {
        return true;
      }
    }
  }
  std::istringstream lines(mca_file);
  for (std::string line; std::getline(lines, line);) {
    std::string name;
    std::istringstream(line.substr(0, line.find('='))) >> name;
    if (is_meant(name)) return true;
  }
  return false;
}

}  // namespace

LaunchEnvironment environment_from(const Facts& facts, const MpiVersion& built_with) {
  LaunchEnvironment environment;
  environment.cores = std::max(facts.cores, 1);
  environment.allocation = allocation_from(facts.variables, facts.host_file);
  environment.outer = outer_launch(facts.variables);
  if (facts.mpirun_version) environment.mpirun = mpi_version_from(*facts.mpirun_version);
  environment.built_with = built_with;
  environment.has_srun = facts.srun_mpi_list.has_value();
  environment.srun_has_pmix = facts.srun_mpi_list.value_or("").find("pmix") != std::string::npos;
  environment.mpirun_refuses_root = facts.is_root && !root_is_allowed(facts.variables);
  environment.limits_threads = facts.variables.contains("OMP_NUM_THREADS");
  environment.chooses_transport = sets_parameter(facts.variables, facts.mca_file, is_about_transport);
  environment.names_hosts = sets_parameter(facts.variables, facts.mca_file, is_about_hosts);
  for (const auto& [name, value] : facts.variables) {
    if (travels(name)) environment.to_pass_on.push_back(name);
  }
  return environment;
}

}  // namespace joblib_mpi::launch
