#include "run/launch_plan.hpp"

#include "command/shell_words.hpp"
#include "run/rank_layout.hpp"

#include <initializer_list>
#include <string_view>

namespace joblib_mpi::launch {
namespace {

void add(std::vector<std::string>& words, std::initializer_list<std::string_view> more) {
  words.insert(words.end(), more.begin(), more.end());
}

Launcher launcher_for(const LaunchOptions& options, const LaunchEnvironment& environment) {
  const bool in_slurm = environment.allocation && environment.allocation->scheduler == Scheduler::slurm;
  if (options.launcher == Launcher::mpirun) return Launcher::mpirun;
  if (options.launcher == Launcher::automatic) {
    return in_slurm && environment.srun_has_pmix && environment.built_with.is_open_mpi() ? Launcher::srun
                                                                                         : Launcher::mpirun;
  }
  if (!in_slurm) {
    throw LaunchError("--launcher srun works only inside a Slurm allocation, and this is not one",
                      "get one with salloc, submit a batch job with \"joblib-mpi submit\", or omit --launcher");
  }
  if (!environment.has_srun) {
    throw LaunchError("there is no srun on PATH",
                      "load the module that has Slurm's commands, or use --launcher mpirun");
  }
  if (!environment.srun_has_pmix) {
    throw LaunchError("this srun cannot start Open MPI: \"srun --mpi=list\" does not name pmix",
                      "use --launcher mpirun, or ask the administrators for Slurm's PMIx plugin");
  }
  return Launcher::srun;
}

/// Returns the MPI whose mpirun is on PATH. Throws LaunchError if there is none, or if it does not belong to the
/// library of the ranks.
MpiVersion usable_mpirun(const LaunchEnvironment& environment) {
  const std::string library = to_string(environment.built_with);
  if (!environment.mpirun) {
    throw LaunchError("there is no mpirun on PATH",
                      "put that of " + library +
                          ", which joblib-mpi was built with, there: \"module load …\" on a cluster, \"apt-get install "
                          "openmpi-bin\" on Debian");
  }
  if (!can_start(*environment.mpirun, environment.built_with)) {
    const std::string found = to_string(*environment.mpirun);
    throw LaunchError("the mpirun on PATH is of " + (found.empty() ? "an unknown MPI" : found) +
                          ", but joblib-mpi was built with " + library + ": its ranks would not find each other",
                      "put the mpirun of " + library +
                          " first on PATH (\"module load …\"), or build joblib-mpi again with the other one");
  }
  return *environment.mpirun;
}

/// Adds mpirun's options that map ranks to nodes and cores and bind them.
void add_mpirun_placement(std::vector<std::string>& words, const LaunchOptions& options,
                          const LaunchEnvironment& environment, const RankLayout& layout) {
  const bool shares = layout.oversubscribed || layout.over_slots;
  const bool binds = !options.binds_none && !layout.oversubscribed && layout.cores_per_rank.has_value();
  std::string map = layout.ranks_per_node ? "ppr:" + std::to_string(*layout.ranks_per_node) + ":node" : "";
  if (binds) map += (map.empty() ? "slot:PE=" : ":PE=") + std::to_string(*layout.cores_per_rank);
  if (!map.empty()) {
    if (shares) map += binds ? ",OVERSUBSCRIBE" : ":OVERSUBSCRIBE";
    add(words, {"--map-by", map});
  } else if (shares) {
    add(words, {"--oversubscribe"});
  }
  if (binds) {
    add(words, {"--bind-to", "core"});
  } else if (options.binds_none || layout.oversubscribed || !environment.allocation) {
    // Outside an allocation another job may be bound to the same cores.
    add(words, {"--bind-to", "none"});
  }
  if (layout.oversubscribed) add(words, {"--mca", "mpi_yield_when_idle", "1"});
}

void add_survival(std::vector<std::string>& words, const MpiVersion& mpi) {
  if (mpi.major >= 5) {
    add(words, {"--with-ft", "ulfm"});
  } else {
    add(words, {"--mca", "orte_abort_on_non_zero_status", "0", "--mca", "orte_allowed_exit_without_sync", "1"});
  }
}

/// Adds the options with which mpirun notices that a host has fallen silent, and ends the job with a message that names
/// it: 31 s after its link was cut. Without them it did not within 13 minutes. A job with `--survive` continues without
/// that host.
void add_watch_over_hosts(std::vector<std::string>& words, const MpiVersion& mpi) {
  const char* const option = mpi.major >= 5 ? "--prtemca" : "--mca";
  add(words, {option, "oob_tcp_keepalive_time", "20"});
  add(words, {option, "oob_tcp_keepalive_intvl", "2"});
  add(words, {option, "oob_tcp_keepalive_probes", "5"});
}

/// Returns Open MPI's parameters with which ranks of one host use shared memory only and open no ports. Returns none if
/// there may be several hosts, or if the user has chosen. mpirun's own port has no such parameter.
Variables shared_memory_parameters(const LaunchOptions& options, const LaunchEnvironment& environment,
                                   const MpiVersion& mpi) {
  const bool one_host = !environment.allocation || environment.allocation->nodes.size() == 1;
  const bool is_free = !environment.chooses_transport && !environment.names_hosts && options.launcher_options.empty();
  if (!one_host || !mpi.is_open_mpi() || !is_free) return {};
  return {{"pml", "ob1"}, {"btl", mpi.major >= 5 ? "self,sm" : "self,vader"}};
}

void add_open_mpi(LaunchPlan& plan, const LaunchOptions& options, const LaunchEnvironment& environment,
                  const RankLayout& layout, const MpiVersion& mpi) {
  if (environment.mpirun_refuses_root) {
    plan.obstacle.emplace("Open MPI's mpirun refuses to run as root",
                          "run this as an ordinary user, or, where root is meant as in a container, export "
                          "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  }
  const auto& allocation = environment.allocation;
  if (allocation && !allocation->host_file.empty()) add(plan.words, {"--hostfile", allocation->host_file});
  add_mpirun_placement(plan.words, options, environment, layout);
  if (options.survives) {
    add_survival(plan.words, mpi);
  } else if (layout.nodes > 1) {
    add_watch_over_hosts(plan.words, mpi);
  }
  for (const auto& [name, value] : shared_memory_parameters(options, environment, mpi)) {
    add(plan.words, {"--mca", name, value});
  }
  plan.keeps_rank_0_here =
      (!allocation || allocation->is_this_host) && options.launcher_options.empty() && !environment.names_hosts;
  // Ranks on this machine inherit the environment.
  if (!allocation && options.launcher_options.empty()) return;
  for (const std::string& name : environment.to_pass_on) add(plan.words, {"-x", name});
  for (const auto& [name, value] : plan.variables) add(plan.words, {"-x", name});
}

void add_other_mpi(LaunchPlan& plan, const LaunchOptions& options, const MpiVersion& mpi) {
  plan.notes.push_back(to_string(mpi) + " is not Open MPI: its mpirun gets no option but the number of ranks");
  if (options.survives) plan.notes.emplace_back("--survive is only for Open MPI and has no effect here");
  if (options.ranks_per_node || options.threads_per_rank) {
    plan.notes.emplace_back(
        "--per-node and --threads are only for Open MPI and do not place ranks here; use --launcher-option instead");
  }
}

void add_srun(LaunchPlan& plan, const LaunchOptions& options, const Allocation& allocation, const RankLayout& layout) {
  plan.words = {"srun", "--mpi=pmix"};
  if (allocation.inside_step) add(plan.words, {"--overlap"});
  plan.words.push_back("--nodes=" + std::to_string(layout.nodes));
  add(plan.words, {"-n", std::to_string(layout.ranks)});
  if (layout.ranks_per_node) {
    plan.words.push_back("--ntasks-per-node=" + std::to_string(*layout.ranks_per_node));
  } else if (allocation.says_tasks_per_node && layout.ranks != allocation.tasks()) {
    // Without this, srun would repeat the allocation's number and warn that it does not match.
    plan.words.push_back("--ntasks-per-node=" + std::to_string((layout.ranks + layout.nodes - 1) / layout.nodes));
  }
  if (layout.cores_per_rank) plan.words.push_back("--cpus-per-task=" + std::to_string(*layout.cores_per_rank));
  if (layout.oversubscribed) {
    add(plan.words, {"--overcommit"});
    plan.variables.emplace_back("OMPI_MCA_mpi_yield_when_idle", "1");
  }
  if (options.binds_none) add(plan.words, {"--cpu-bind=none"});
  if (options.survives) add(plan.words, {"--no-kill"});
  // With 1, the first rank that leaves a failed program would make srun kill the others while they leave, and the job
  // would end with their status 143 instead of the program's. A session that loses ranks ends the job itself.
  add(plan.words, {"--kill-on-bad-exit=0"});
}

/// Adds the variable that tells a rank how many threads it may use: a rank cannot tell its own cores from shared ones.
void add_thread_limit(LaunchPlan& plan, const LaunchEnvironment& environment, const RankLayout& layout,
                      bool is_python) {
  if (!layout.cores_per_rank) return;
  const std::string threads = std::to_string(*layout.cores_per_rank);
  if (is_python) plan.variables.emplace_back("JOBLIB_MPI_THREADS", threads);
  if (!is_python && !environment.limits_threads) plan.variables.emplace_back("OMP_NUM_THREADS", threads);
}

}  // namespace

void require_no_outer_launch(const LaunchEnvironment& environment) {
  if (!environment.outer) return;
  const OuterLaunch& outer = *environment.outer;
  throw LaunchError("this is one of " + std::to_string(outer.ranks) + " processes that " + outer.launcher +
                        " has started, but joblib-mpi starts the ranks itself",
                    "run it without " + outer.launcher + ", and give the number of ranks with -n");
}

LaunchPlan plan_launch(const LaunchOptions& options, const LaunchEnvironment& environment, const Command& command) {
  require_no_outer_launch(environment);
  const Launcher launcher = launcher_for(options, environment);
  const RankLayout layout = rank_layout(options, environment);
  LaunchPlan plan;
  plan.ranks = layout.ranks;
  plan.variables = command.variables;
  add_thread_limit(plan, environment, layout, command.is_python);
  if (launcher == Launcher::srun) {
    add_srun(plan, options, *environment.allocation, layout);
    for (const auto& [name, value] : shared_memory_parameters(options, environment, environment.built_with)) {
      plan.variables.emplace_back("OMPI_MCA_" + name, value);
    }
  } else {
    const MpiVersion mpi = usable_mpirun(environment);
    plan.words = {"mpirun", "-n", std::to_string(layout.ranks)};
    mpi.is_open_mpi() ? add_open_mpi(plan, options, environment, layout, mpi) : add_other_mpi(plan, options, mpi);
  }
  if (layout.ranks == 1) plan.notes.emplace_back("1 rank has no workers: it runs the tasks itself, one after another");
  if (layout.oversubscribed) {
    const int cores = environment.allocation ? environment.allocation->cores() : environment.cores;
    plan.notes.push_back(to_string(layout) + " share " + std::to_string(cores) + (cores == 1 ? " core" : " cores"));
  }
  plan.words.insert(plan.words.end(), options.launcher_options.begin(), options.launcher_options.end());
  plan.launcher_words = plan.words.size();
  plan.words.insert(plan.words.end(), command.words.begin(), command.words.end());
  return plan;
}

std::string shell_line(const LaunchPlan& plan) {
  std::string line;
  for (const auto& [name, value] : plan.variables) line += name + "=" + shell_quoted(value) + " ";
  return line + shell_quoted(plan.words);
}

}  // namespace joblib_mpi::launch
