#include "run/allocation.hpp"

#include <algorithm>
#include <numeric>
#include <sstream>
#include <utility>

namespace joblib_mpi::launch {
namespace {

/// Parses Slurm's lists of numbers by node: "4(x2),3" means 4, 4, 3.
std::vector<int> numbers_by_node(const std::string& text) {
  std::vector<int> numbers;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    int value = 0;
    int times = 1;
    char open = 0;
    char letter = 0;
    std::istringstream words(part);
    if (!(words >> value)) return {};
    if (words >> open >> letter) words >> times;
    numbers.insert(numbers.end(), static_cast<std::size_t>(times), value);
  }
  return numbers;
}

std::optional<int> positive(std::optional<int> number) {
  return number && *number > 0 ? number : std::nullopt;
}

Allocation slurm_allocation(const VariableMap& variables) {
  Allocation allocation;
  allocation.scheduler = Scheduler::slurm;
  allocation.job = text_of(variables, "SLURM_JOB_ID");
  allocation.cores_per_task = positive(number_of(variables, "SLURM_CPUS_PER_TASK"));
  allocation.says_tasks_per_node = variables.contains("SLURM_NTASKS_PER_NODE");
  const std::vector<int> cores = numbers_by_node(text_of(variables, "SLURM_JOB_CPUS_PER_NODE"));
  const std::vector<int> tasks = numbers_by_node(text_of(variables, "SLURM_TASKS_PER_NODE"));
  // The shell that salloc starts on a node is a step, too, but one that blocks no other step.
  constexpr const char* interactive_step = "4294967290";
  const std::string step = text_of(variables, "SLURM_STEP_ID");
  allocation.inside_step = !step.empty() && step != interactive_step;
  const bool tells_tasks =
      !allocation.inside_step && tasks.size() == cores.size();  // inside a step the variable is about the step
  for (std::size_t node = 0; node < cores.size(); ++node) {
    const int of_cores = cores[node] / allocation.cores_per_task.value_or(1);
    allocation.nodes.push_back({std::max(tells_tasks ? tasks[node] : of_cores, 1), cores[node]});
  }
  if (allocation.nodes.empty()) allocation.nodes.emplace_back();
  // salloc may have left this process on the login node, where Slurm does not set this variable.
  allocation.is_this_host = allocation.nodes.size() == 1 && variables.contains("SLURMD_NODENAME");
  return allocation;
}

/// Returns one node per host name, with one task and one core per line with that name.
std::vector<Allocation::Node> nodes_of_lines(const std::string& host_file) {
  std::vector<std::pair<std::string, Allocation::Node>> nodes;
  std::istringstream lines(host_file);
  for (std::string host; lines >> host;) {
    auto node = nodes.begin();
    while (node != nodes.end() && node->first != host) ++node;
    if (node == nodes.end()) {
      nodes.push_back({host, {1, 1}});
    } else {
      ++node->second.tasks;
      ++node->second.cores;
    }
  }
  std::vector<Allocation::Node> counted;
  for (const auto& [host, node] : nodes) counted.push_back(node);
  if (counted.empty()) counted.emplace_back();
  return counted;
}

Allocation listed_allocation(Scheduler scheduler, std::string job, std::string path, const std::string& host_file) {
  Allocation allocation;
  allocation.scheduler = scheduler;
  allocation.job = std::move(job);
  allocation.host_file = std::move(path);
  allocation.nodes = nodes_of_lines(host_file);
  allocation.is_this_host = allocation.nodes.size() == 1 && !host_file.empty();  // scripts run on the first node
  return allocation;
}

}  // namespace

int Allocation::tasks() const {
  return std::accumulate(nodes.begin(), nodes.end(), 0, [](int sum, const Node& node) { return sum + node.tasks; });
}

int Allocation::cores() const {
  return std::accumulate(nodes.begin(), nodes.end(), 0, [](int sum, const Node& node) { return sum + node.cores; });
}

std::string to_string(const Allocation& allocation) {
  const char* const name = allocation.scheduler == Scheduler::slurm ? "Slurm"
                           : allocation.scheduler == Scheduler::pbs ? "PBS"
                                                                    : "LSF";
  return std::string(name) + " job " + allocation.job;
}

std::optional<Allocation> allocation_from(const VariableMap& variables, const std::string& host_file) {
  if (variables.contains("SLURM_JOB_ID")) return slurm_allocation(variables);
  if (variables.contains("PBS_JOBID") && variables.contains("PBS_NODEFILE")) {
    return listed_allocation(Scheduler::pbs, text_of(variables, "PBS_JOBID"), text_of(variables, "PBS_NODEFILE"),
                             host_file);
  }
  if (variables.contains("LSB_JOBID") && variables.contains("LSB_DJOB_HOSTFILE")) {
    return listed_allocation(Scheduler::lsf, text_of(variables, "LSB_JOBID"), text_of(variables, "LSB_DJOB_HOSTFILE"),
                             host_file);
  }
  return std::nullopt;
}

}  // namespace joblib_mpi::launch
