#include "run/launch_plan.hpp"

#include "mpi_launch/places.hpp"
#include "serve/serve.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi::launch;
using namespace joblib_mpi::launch::test;
using joblib_mpi::test::contains;
using joblib_mpi::test::error_text;
using Words = std::vector<std::string>;

namespace {

/// The parameters for ranks on one host, with a space behind them.
const std::string in_memory = "--mca pml ob1 --mca btl self,vader ";

const MpiVersion built_with_5{"Open MPI", "5.0.7", 5};

Facts pbs_job() {
  Facts facts = machine(16);
  facts.variables = {{"PBS_JOBID", "7.head"}, {"PBS_NODEFILE", "/var/spool/pbs/7"}, {"PYTHONPATH", "/home/me/lib"}};
  facts.host_file = "n1\nn1\nn2\nn2\n";
  return facts;
}

Facts lsf_job() {
  Facts facts = machine(16);
  facts.variables = {{"LSB_JOBID", "9"}, {"LSB_DJOB_HOSTFILE", "/home/me/.lsbatch/9.hosts"}};
  facts.host_file = "n1\nn2\nn3\n";
  return facts;
}

std::string refusal(const Facts& facts, const std::string& line,
                    const MpiVersion& built_with = {"Open MPI", "4.1.4", 4}) {
  return error_text<LaunchError>([&] { (void)plan_of(facts, line, built_with); });
}

}  // namespace

TEST_CASE("each place has the command line that suits it") {
  struct Row {
    const char* place;
    Facts facts;
    const char* options;
    std::string expected;
  };
  const std::string watched =
      " --mca oob_tcp_keepalive_time 20 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 5";
  const Facts one_task_step = with(slurm_job(), {{"SLURM_STEP_ID", "3"},
                                                 {"SLURM_STEP_NUM_TASKS", "1"},
                                                 {"SLURM_TASKS_PER_NODE", "1"},
                                                 {"SLURM_JOB_CPUS_PER_NODE", "4,2"}});
  const Row table[] = {
      {"a machine has a rank for each core", machine(8), "app", "mpirun -n 8 --bind-to none " + in_memory + "app"},
      {"cores that a rank needs are counted", machine(8), "--threads 3 app",
       "OMP_NUM_THREADS=3 mpirun -n 2 --map-by slot:PE=3 --bind-to core " + in_memory + "app"},
      {"the user's own limit of threads stays", with(machine(8), {{"OMP_NUM_THREADS", "1"}}), "--threads 2 app",
       "mpirun -n 4 --map-by slot:PE=2 --bind-to core " + in_memory + "app"},
      {"ranks of a node", machine(8), "--per-node 4 app",
       "mpirun -n 4 --map-by ppr:4:node --bind-to none " + in_memory + "app"},
      {"ranks of a node with cores", machine(8), "--per-node 4 --threads 2 app",
       "OMP_NUM_THREADS=2 mpirun -n 4 --map-by ppr:4:node:PE=2 --bind-to core " + in_memory + "app"},
      {"more ranks than cores yield and are not bound", machine(2), "-n 4 app",
       "mpirun -n 4 --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 " + in_memory + "app"},
      {"the same with cores for each", machine(2), "-n 2 --threads 2 --per-node 2 app",
       "OMP_NUM_THREADS=2 mpirun -n 2 --map-by ppr:2:node:OVERSUBSCRIBE --bind-to none --mca mpi_yield_when_idle 1 " +
           in_memory + "app"},
      {"ranks that may die, Open MPI 4", machine(4), "--survive app",
       "mpirun -n 4 --bind-to none --mca orte_abort_on_non_zero_status 0 --mca orte_allowed_exit_without_sync 1 " +
           in_memory + "app"},
      {"words for the launcher, and variables for hosts that they may name",
       with(machine(2), {{"JOBLIB_MPI_SPILL_DIR", "/s"}}), "-n 2 --launcher-option=--host --launcher-option h1,h2 app",
       "mpirun -n 2 --bind-to none -x JOBLIB_MPI_SPILL_DIR --host h1,h2 app"},

      {"Slurm", slurm_job(), "app", "srun --mpi=pmix --nodes=3 -n 6 --kill-on-bad-exit=0 app"},
      {"fewer ranks than Slurm's tasks", slurm_job(), "-n 2 app",
       "srun --mpi=pmix --nodes=2 -n 2 --ntasks-per-node=1 --kill-on-bad-exit=0 app"},
      {"more ranks than Slurm's tasks, on its cores", slurm_job(), "-n 12 app",
       "srun --mpi=pmix --nodes=3 -n 12 --ntasks-per-node=4 --kill-on-bad-exit=0 app"},
      {"Slurm, ranks of a node", slurm_job(), "--per-node 1 app",
       "srun --mpi=pmix --nodes=3 -n 3 --ntasks-per-node=1 --kill-on-bad-exit=0 app"},
      {"Slurm, cores of a rank", slurm_job(), "--threads 4 app",
       "OMP_NUM_THREADS=4 srun --mpi=pmix --nodes=3 -n 3 --ntasks-per-node=1 --cpus-per-task=4 --kill-on-bad-exit=0 "
       "app"},
      {"Slurm, cores of a task", with(slurm_job(), {{"SLURM_CPUS_PER_TASK", "2"}}), "app",
       "OMP_NUM_THREADS=2 srun --mpi=pmix --nodes=3 -n 6 --cpus-per-task=2 --kill-on-bad-exit=0 app"},
      {"Slurm, too many ranks on purpose", slurm_job(), "-n 13 --oversubscribe --no-bind app",
       "OMPI_MCA_mpi_yield_when_idle=1 srun --mpi=pmix --nodes=3 -n 13 --ntasks-per-node=5 --overcommit "
       "--cpu-bind=none "
       "--kill-on-bad-exit=0 app"},
      {"Slurm, ranks that may die", slurm_job(), "--survive app",
       "srun --mpi=pmix --nodes=3 -n 6 --no-kill --kill-on-bad-exit=0 app"},
      {"a shell that is a step itself", one_task_step, "app",
       "srun --mpi=pmix --overlap --nodes=2 -n 6 --kill-on-bad-exit=0 app"},
      {"Slurm without PMIx", slurm_job(srun_without_pmix), "app", "mpirun -n 6" + watched + " app"},
      {"mpirun in Slurm", with(slurm_job(), {{"VIRTUAL_ENV", "/v"}, {"TMPDIR", "/t"}}), "--launcher mpirun app",
       "mpirun -n 6" + watched + " -x VIRTUAL_ENV app"},
      {"mpirun in Slurm, more ranks than tasks", slurm_job(), "--launcher mpirun -n 7 app",
       "mpirun -n 7 --oversubscribe" + watched + " app"},
      {"mpirun in Slurm, cores of a task", with(slurm_job(), {{"SLURM_CPUS_PER_TASK", "2"}}), "--launcher mpirun app",
       "OMP_NUM_THREADS=2 mpirun -n 6 --map-by slot:PE=2 --bind-to core" + watched + " -x OMP_NUM_THREADS app"},
      {"a job that may outlive its hosts is not ended when one falls silent", pbs_job(), "--survive app",
       "mpirun -n 4 --hostfile /var/spool/pbs/7 --mca orte_abort_on_non_zero_status 0 --mca "
       "orte_allowed_exit_without_sync 1 -x PYTHONPATH app"},

      {"PBS", pbs_job(), "app", "mpirun -n 4 --hostfile /var/spool/pbs/7" + watched + " -x PYTHONPATH app"},
      {"LSF", lsf_job(), "-n 2 app", "mpirun -n 2 --hostfile /home/me/.lsbatch/9.hosts" + watched + " app"},
  };
  for (const Row& row : table) {
    INFO(row.place);
    CHECK(line_of(row.facts, row.options) == row.expected);
  }
}

TEST_CASE("rank 0 surely runs on this host only where nothing may name another") {
  CHECK(plan_of(machine(4), "app").keeps_rank_0_here);
  CHECK(plan_of(machine(4, open_mpi_5), "-n 9 --survive app", built_with_5).keeps_rank_0_here);
  CHECK_FALSE(plan_of(machine(4), "--launcher-option=--host --launcher-option h1,h2 app").keeps_rank_0_here);
  CHECK_FALSE(plan_of(pbs_job(), "app").keeps_rank_0_here);
  CHECK_FALSE(plan_of(with(machine(4), {{"PRTE_MCA_prte_default_hostfile", "/h"}}), "app").keeps_rank_0_here);
  CHECK(plan_of(with(machine(4), {{"OMPI_MCA_pml", "ob1"}}), "app").keeps_rank_0_here);
  CHECK_FALSE(plan_of(slurm_job(), "app").keeps_rank_0_here);
  Facts job_on_one_node = pbs_job();
  job_on_one_node.host_file = "n1\nn1\n";
  CHECK(plan_of(job_on_one_node, "app").keeps_rank_0_here);
  const Facts one_node = with(slurm_job(), {{"SLURM_JOB_CPUS_PER_NODE", "4"}, {"SLURM_TASKS_PER_NODE", "2"}});
  CHECK_FALSE(plan_of(one_node, "--launcher mpirun app").keeps_rank_0_here);
  const Facts on_the_node = with(one_node, {{"SLURMD_NODENAME", "n1"}});
  CHECK(plan_of(on_the_node, "--launcher mpirun app").keeps_rank_0_here);
  CHECK_FALSE(plan_of(on_the_node, "--launcher srun app").keeps_rank_0_here);
  CHECK_FALSE(plan_of(machine(4, mpich), "app", {"MPICH", "4.0.2", 4}).keeps_rank_0_here);
}

TEST_CASE("a plan tells the launcher's words from those of the command") {
  const LaunchPlan plan = plan_of(machine(4), "-n 2 app mpirun");
  REQUIRE(plan.launcher_words + 2 == plan.words.size());
  CHECK(plan.words[plan.launcher_words] == "app");
}

TEST_CASE("Open MPI 5 has different options for ranks that may die and hosts that fall silent") {
  Facts job = pbs_job();
  job.mpirun_version = open_mpi_5;
  CHECK(
      line_of(job, "-n 2 app", built_with_5) ==
      "mpirun -n 2 --hostfile /var/spool/pbs/7 --prtemca oob_tcp_keepalive_time 20 --prtemca oob_tcp_keepalive_intvl 2 "
      "--prtemca oob_tcp_keepalive_probes 5 -x PYTHONPATH app");
  CHECK(line_of(machine(4, open_mpi_5), "--survive app", built_with_5) ==
        "mpirun -n 4 --bind-to none --with-ft ulfm --mca pml ob1 --mca btl self,sm app");
}

TEST_CASE("ranks of one host use shared memory only, unless the user has chosen") {
  const auto chosen = [](const VariableMap& variables, const std::string& mca_file = "", const char* options = "app") {
    Facts facts = with(machine(2), variables);
    facts.mca_file = mca_file;
    const std::string line = line_of(facts, options);
    CHECK((line.find("--mca pml") == std::string::npos) == (line.find("--mca btl") == std::string::npos));
    return line.find("--mca pml") == std::string::npos;
  };
  CHECK_FALSE(chosen({}));
  CHECK_FALSE(
      chosen({{"OMPI_MCA_mpi_yield_when_idle", "1"}, {"btl", "tcp"}}, "# btl = tcp\n\nmpi_show_handle_leaks=1"));
  CHECK(chosen({{"OMPI_MCA_btl", "self,tcp"}}));
  CHECK(chosen({{"OMPI_MCA_pml", "ucx"}}));
  CHECK(chosen({{"OMPI_MCA_mtl", "ofi"}}));
  CHECK(chosen({{"OMPI_MCA_btl_tcp_if_include", "eth0"}}));
  CHECK(chosen({{"OMPI_MCA_orte_default_hostfile", "/etc/hosts-of-mine"}}));
  CHECK(chosen({{"PRTE_MCA_prte_default_hostfile", "/etc/hosts-of-mine"}}));
  CHECK(chosen({{"OMPI_MCA_mca_base_param_files", "/home/me/mine.conf"}}));
  CHECK(chosen({}, "mpi_show_handle_leaks=1\n btl=self,tcp\n"));
  CHECK(chosen({}, "", "--launcher-option=--report-bindings app"));
}

TEST_CASE("a batch job on one host uses shared memory only, on several what Open MPI chooses") {
  const VariableMap one_node{{"SLURM_JOB_CPUS_PER_NODE", "4"}, {"SLURM_NTASKS", "2"}, {"SLURM_TASKS_PER_NODE", "2"}};
  CHECK(line_of(with(slurm_job(), one_node), "app") ==
        "OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader srun --mpi=pmix --nodes=1 -n 2 --kill-on-bad-exit=0 app");
  CHECK(line_of(with(slurm_job(), one_node), "--launcher mpirun app") == "mpirun -n 2 " + in_memory + "app");
  CHECK_THAT(line_of(slurm_job(), "-n 2 --launcher mpirun app"), !contains("--mca pml"));
}

TEST_CASE("an MPI that is not Open MPI gets the number of ranks and nothing else, and is named") {
  const MpiVersion built_with_mpich{"MPICH", "4.0.2", 4};
  const LaunchPlan plan = plan_of(machine(4, mpich), "--survive --per-node 2 -n 2 app", built_with_mpich);
  CHECK(shell_line(plan) == "mpirun -n 2 app");
  REQUIRE(plan.notes.size() == 3);
  CHECK_THAT(plan.notes[0], contains("MPICH 4.0.2 is not Open MPI"));
  CHECK_THAT(plan.notes[1], contains("--survive"));
  CHECK_THAT(plan.notes[2], contains("--per-node"));
}

TEST_CASE("Python learns its threads from a separate variable") {
  LaunchOptions options;
  options.threads_per_rank = 2;
  const LaunchPlan plan = plan_launch(options, environment_from(machine(4), {"Open MPI", "4.1.4", 4}),
                                      {{"python3", "-m", "joblib_mpi", "a script.py"}, true, {{"A", "it's"}}});
  CHECK(shell_line(plan) == "A='it'\\''s' JOBLIB_MPI_THREADS=2 mpirun -n 2 --map-by slot:PE=2 --bind-to core " +
                                in_memory + "python3 -m joblib_mpi 'a script.py'");
}

TEST_CASE("one rank and shared cores are noted") {
  CHECK_THAT(plan_of(machine(4), "-n 1 app").notes.at(0), contains("1 rank has no workers"));
  CHECK(plan_of(machine(2), "-n 4 app").notes.at(0) == "4 ranks share 2 cores");
  CHECK(plan_of(machine(4), "app").notes.empty());
}

TEST_CASE("root needs to have allowed itself") {
  Facts facts = machine(4);
  facts.is_root = true;
  const LaunchPlan refused = plan_of(facts, "app");
  REQUIRE(refused.obstacle.has_value());
  CHECK_THAT(refused.obstacle->problem(), contains("refuses to run as root"));
  CHECK_THAT(refused.obstacle->remedy(), contains("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"));
  facts.variables["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
  CHECK(plan_of(facts, "app").obstacle.has_value());
  facts.variables["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
  CHECK_FALSE(plan_of(facts, "app").obstacle.has_value());
  CHECK(shell_line(refused) == "mpirun -n 4 --bind-to none " + in_memory + "app");
  CHECK(line_of(facts, "app") == shell_line(refused));

  Facts in_slurm = slurm_job();
  in_slurm.is_root = true;
  CHECK_THAT(line_of(in_slurm, "app"), contains("srun"));
  CHECK_FALSE(plan_of(in_slurm, "app").obstacle.has_value());
}

TEST_CASE("a missing mpirun and one of another MPI are refused by name") {
  Facts without = machine(4);
  without.mpirun_version.reset();
  CHECK_THAT(refusal(without, "app"),
             contains("no mpirun on PATH") && contains("Open MPI 4.1.4") && contains("module load"));
  CHECK_THAT(refusal(machine(4, mpich), "app"), contains("MPICH 4.0.2") && contains("built with Open MPI 4.1.4"));
  CHECK_THAT(refusal(machine(4, open_mpi_4), "app", built_with_5),
             contains("Open MPI 4.1.4") && contains("Open MPI 5.0.7"));
  CHECK_THAT(refusal(machine(4, "what?\nno\n"), "app"), contains("is of what?, but"));
  CHECK_THAT(refusal(machine(4, ""), "app"), contains("an unknown MPI"));
  CHECK(line_of(machine(4, "mpirun (Open MPI) 4.1.6\n"), "app") == "mpirun -n 4 --bind-to none " + in_memory + "app");
}

TEST_CASE("ranks that do not fit are refused with what does") {
  CHECK_THAT(
      refusal(slurm_job(), "-n 13 app"),
      contains("13 ranks do not fit into Slurm job 12, which has 12 cores on 3 nodes") && contains("at most -n 12"));
  CHECK_THAT(refusal(slurm_job(), "-n 7 --threads 2 app"),
             contains("7 ranks of 2 cores do not fit") && contains("at most -n 6"));
  CHECK_THAT(refusal(slurm_job(), "-n 1 --threads 5 app"),
             contains("1 rank of 5 cores does not fit") && contains("fewer --threads"));
  CHECK_THAT(refusal(slurm_job(), "-n 7 --per-node 2 app"), contains("need 4 nodes") && contains("has 3 nodes"));
  CHECK_THAT(refusal(slurm_job(), "--per-node 5 -n 5 app"), contains("--per-node 5 needs 5 cores of a node"));
  CHECK_THAT(refusal(machine(8), "-n 8 --per-node 4 app"), contains("need 2 nodes, but there is only this one"));
  CHECK_THAT(refusal(pbs_job(), "-n 5 app"), contains("PBS job 7.head, which has 4 cores on 2 nodes"));
  CHECK_THAT(refusal(lsf_job(), "-n 4 app"), contains("LSF job 9"));
}

TEST_CASE("srun is refused where it cannot be") {
  CHECK_THAT(refusal(machine(4), "--launcher srun app"), contains("works only inside a Slurm allocation"));
  CHECK_THAT(refusal(slurm_job(srun_without_pmix), "--launcher srun app"), contains("does not name pmix"));
  Facts without = slurm_job();
  without.srun_mpi_list.reset();
  CHECK_THAT(refusal(without, "--launcher srun app"), contains("no srun on PATH"));
}

TEST_CASE("a job that serves clients has workers") {
  const auto planned = [](int cores, const Words& options) {
    const auto serve = std::get<ServeOptions>(options_from(options));
    const Command command{{"python", "-m", "joblib_mpi", "--serve"}, true, {}};
    return plan_serving(serve.launch, environment_from(machine(cores), {"Open MPI", "4.1.4", 4}), command);
  };
  const auto refused = [&](int cores, const Words& options) {
    return error_text<LaunchError>([&] { (void)planned(cores, options); });
  };
  CHECK(shell_line(planned(4, {"serve"})) ==
        "mpirun -n 4 --bind-to none " + in_memory + "python -m joblib_mpi --serve");
  CHECK(planned(1, {"serve", "-n", "2"}).ranks == 2);
  CHECK_THAT(refused(1, {"serve"}), contains("no workers") && contains("-n 4"));
  CHECK_THAT(refused(4, {"serve", "-n", "1"}), contains("no workers"));
}

TEST_CASE("a launcher around the command is recognised") {
  const auto outer = [](const VariableMap& variables) {
    return environment_from(with(machine(4), variables), {}).outer;
  };
  CHECK_FALSE(outer({}).has_value());
  CHECK(outer({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}})->rank == 3);
  CHECK(outer({{"PMI_SIZE", "4"}, {"PMI_RANK", "2"}})->launcher == "mpirun");
  CHECK(outer({{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}})->launcher == "srun");
  // A batch script, and a shell that srun has started as its only task.
  CHECK_FALSE(outer({{"SLURM_JOB_ID", "1"}, {"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).has_value());
  CHECK_FALSE(outer({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"PMIX_RANK", "0"}}).has_value());
  // mpirun's daemon on a Slurm node is a task of a step; the variables of its rank name the real launcher.
  CHECK(
      outer({{"OMPI_COMM_WORLD_SIZE", "8"}, {"OMPI_COMM_WORLD_RANK", "5"}, {"SLURM_STEP_NUM_TASKS", "2"}})->launcher ==
      "mpirun");
  CHECK_THAT(refusal(with(machine(4), {{"OMPI_COMM_WORLD_SIZE", "4"}}), "app"),
             contains("one of 4 processes that mpirun has started") && contains("-n"));
}
