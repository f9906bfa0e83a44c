#include "run/facts.hpp"

#include "command/command_output.hpp"
#include "core/usable_cores.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sched.h>
#include <set>
#include <string>
#include <unistd.h>

extern char** environ;

namespace joblib_mpi::launch {
namespace {

/// The time limit for commands that only print something. Chosen, not measured: a cold shared file system is slow.
constexpr double longest_fact_seconds = 20;

VariableMap environment_variables() {
  VariableMap variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

/// Returns the number of cores that this process may use, as a quota of its cgroup lets it. Hardware threads do not
/// count, nor does mpirun count them as slots.
int cores_of_this_process() {
  cpu_set_t own;
  CPU_ZERO(&own);
  if (sched_getaffinity(0, sizeof own, &own) != 0) {  // more than 1024 processors
    return usable_cores();
  }
  std::set<std::string> cores;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &own)) continue;
    const std::string name = std::to_string(processor);
    std::ifstream file("/sys/devices/system/cpu/cpu" + name + "/topology/thread_siblings_list");
    std::string siblings = name;
    std::getline(file, siblings);
    cores.insert(siblings);
  }
  return std::min(static_cast<int>(cores.size()), usable_cores());
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<std::string> answer(const std::vector<std::string>& words) {
  const auto output = output_of(words, longest_fact_seconds);
  return output ? std::optional(output->text) : std::nullopt;
}

}  // namespace

Facts collect_facts() {
  Facts facts;
  facts.variables = environment_variables();
  facts.cores = cores_of_this_process();
  facts.is_root = geteuid() == 0;
  facts.mpirun_version = answer({"mpirun", "--version"});
  if (facts.variables.contains("SLURM_JOB_ID")) facts.srun_mpi_list = answer({"srun", "--mpi=list"});
  for (const char* name : {"PBS_NODEFILE", "LSB_DJOB_HOSTFILE"}) {
    if (facts.variables.contains(name)) facts.host_file = contents_of(text_of(facts.variables, name));
  }
  facts.mca_file = contents_of(text_of(facts.variables, "HOME") + "/.openmpi/mca-params.conf");
  return facts;
}

}  // namespace joblib_mpi::launch
