#include "submit/batch_script.hpp"

#include "command/launch_error.hpp"
#include "command/options.hpp"
#include "submit/job_state.hpp"
#include "submit/script_seal.hpp"
#include "submit/time_limit.hpp"
#include "support/catch.hpp"

#include <variant>

using namespace joblib_mpi::launch;
using joblib_mpi::test::contains;
using joblib_mpi::test::error_text;
using Words = std::vector<std::string>;

namespace {

SubmitOptions submit_options(Words words) {
  words.insert(words.begin(), "submit");
  return std::get<SubmitOptions>(options_from(words));
}

std::string script_of(const Words& words, Launcher launcher = Launcher::srun) {
  return batch_script(submit_options(words), {"/opt/bin/joblib-mpi", "/v/bin/python", launcher});
}

std::string refused_script(const Words& words) {
  return error_text<LaunchError>([&] { check_submission(submit_options(words)); });
}

}  // namespace

TEST_CASE("a batch script asks Slurm for what the options say, runs the script, and requeues on its status") {
  CHECK(script_of({"my search.py", "--nodes",         "4",      "--ntasks-per-node", "16",   "--time",
                   "2:00:00",      "--job-name",      "search", "--partition",       "long", "--account",
                   "a b",          "--cpus-per-task", "2",      "--max-requeues",    "3",    "--sbatch-option=--mem=0",
                   "--preload",    "sklearn",         "--",     "--folds",           "5"}) ==
        R"(#!/bin/bash
#SBATCH --job-name=search
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=16
#SBATCH --cpus-per-task=2
#SBATCH --time=2:00:00
#SBATCH --partition=long
#SBATCH --account='a b'
#SBATCH --output=search-%j.out
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=USR1@120
#SBATCH --mem=0
set -euo pipefail

restarts=${SLURM_RESTART_COUNT:-0}
echo "joblib-mpi: job $SLURM_JOB_ID, start $((restarts + 1)), on $SLURM_JOB_NODELIST"

status=0
/opt/bin/joblib-mpi run --launcher srun --python /v/bin/python --preload sklearn -- 'my search.py' --folds 5 || status=$?

# A program with a checkpoint ends with this status when its time is up, and goes on in the job's next start.
if [[ $status -eq ${JOBLIB_MPI_REQUEUE_STATUS:-75} ]]; then
  if ((restarts < 3)); then
    echo "joblib-mpi: job $SLURM_JOB_ID is requeued"
    scontrol requeue "$SLURM_JOB_ID"
  else
    echo "joblib-mpi: job $SLURM_JOB_ID is not finished and has had 3 requeues (--max-requeues); submit it again to go on"
  fi
fi
exit "$status"
)");
}

TEST_CASE("through mpirun the batch script gets the signal and hands it on") {
  const std::string script = script_of({"x.py", "-n", "4", "--survive"}, Launcher::mpirun);
  CHECK_THAT(script, contains("--signal=B:USR1@120") && contains("trap 'signalled=true; kill -USR1 \"$launcher\"") &&
                         contains("run --launcher mpirun --survive --python /v/bin/python -- x.py &\n") &&
                         contains("#SBATCH --no-kill"));
}

TEST_CASE("a run that is signalled late has less for its running tasks") {
  CHECK_THAT(script_of({"x.py", "-n", "4", "--signal-seconds", "30"}), contains("CHECKPOINT_GRACE_SECONDS:-15}"));
  CHECK_THAT(script_of({"x.py", "-n", "4", "--signal-seconds", "0"}), !contains("--signal") && !contains("GRACE"));
  CHECK_THAT(script_of({"x.py", "-n", "4"}), !contains("GRACE"));
}

TEST_CASE("without requeue the script leaves the job as it ended") {
  CHECK_THAT(script_of({"x.py", "-n", "4", "--no-requeue"}), contains("#SBATCH --no-requeue") && !contains("scontrol"));
}

TEST_CASE("a job is named after what it runs") {
  CHECK(job_name(submit_options({"-n", "4", "dir/search.py"})) == "search");
  CHECK(job_name(submit_options({"-n", "4", "--", "-m", "package.module", "x"})) == "package.module");
  CHECK(job_name(submit_options({"-n", "4", "--", "./simulate", "-v"})) == "simulate");
  CHECK(job_name(submit_options({"-n", "4", "--", "-c", "print()"})) == "joblib-mpi");
  CHECK(job_output(submit_options({"-n", "4", "x.py", "--output", "logs/%x.txt"})) == "logs/%x.txt");
  CHECK_THAT(refused_script({"-n", "4", "x.py", "--job-name", "a/b"}), contains("\"a/b\" cannot be a job's name"));
  CHECK_THAT(refused_script({"-n", "4", "my script.py"}), contains("--job-name"));
}

TEST_CASE("what Slurm would notice late or never is refused before") {
  CHECK_THAT(refused_script({"x.py"}), contains("the size of the job is not given"));
  CHECK_THAT(refused_script({"x.py", "-n", "4", "--time", "2h"}), contains("--time 2h is not a time limit"));
  CHECK_THAT(refused_script({"x.py", "-n", "4", "--time", "1"}), contains("--signal-seconds 120") && contains("60 s"));
  CHECK_THAT(refused_script({"x.py", "-n", "4", "--sbatch-option=mem=0"}), contains("not an option of sbatch"));
  CHECK_THAT(refused_script({"-n", "4", "--", "-"}), contains("standard input"));
  CHECK(refused_script({"x.py", "-n", "4", "--time", "0"}) == "(nothing was thrown)");
  CHECK_THAT(error_text<LaunchError>([] {
               (void)submit_options({"-n", "4"});
             }),
             contains("no script or program given"));
  CHECK_THAT(error_text<LaunchError>([] { (void)submit_options({"x.py", "--folds", "5"}); }), contains("--folds"));
  CHECK_THAT(error_text<LaunchError>([] { (void)submit_options({"x.py", "--nodes", "0"}); }), contains("--nodes"));
}

TEST_CASE("an option with a line end is refused, because it would become another directive or command") {
  for (const std::string option : {"--time", "--partition", "--account", "--job-name", "--output", "--preload"}) {
    for (const std::string line_end : {"\n", "\r"}) {
      CAPTURE(option);
      const std::string value = "1" + line_end + "#SBATCH --uid=0";
      CHECK_THAT(refused_script({"x.py", "-n", "4", option, value}), contains(option));
      CHECK_THAT(refused_script({"x.py", "-n", "4", "--sbatch-option=--mem=" + value}), contains("--sbatch-option"));
    }
  }
  CHECK(refused_script({"-n", "4", "--", "-c", "first\nsecond"}) ==
        "(nothing was thrown)");  // a word of the run's line
}

TEST_CASE("a time limit is read as Slurm reads it") {
  CHECK(seconds_of_time_limit("30") == 1800);
  CHECK(seconds_of_time_limit("30:15") == 1815);
  CHECK(seconds_of_time_limit("2:00:05") == 7205);
  CHECK(seconds_of_time_limit("1-12") == 129600);
  CHECK(seconds_of_time_limit("1-12:30") == 131400);
  CHECK(seconds_of_time_limit("1-12:30:01") == 131401);
  for (const char* text : {"", "x", "1:2:3:4", "-5", "1-", "2.5", "99999999999"}) {
    INFO(text);
    CHECK_FALSE(seconds_of_time_limit(text).has_value());
  }
}

TEST_CASE("a seal tells whether a script was changed") {
  const std::string script = sealed("#!/bin/bash\n#SBATCH --nodes=2\nexit 0\n");
  CHECK(script.starts_with("#!/bin/bash\n# Written by"));
  CHECK(has_intact_seal(script));
  CHECK_FALSE(has_intact_seal(script + "echo more\n"));
  CHECK_FALSE(has_intact_seal("#!/bin/bash\n#SBATCH --nodes=2\nexit 0\n"));
  CHECK_FALSE(has_intact_seal(""));
}

TEST_CASE("a job's end is read from what Slurm's controller says") {
  const std::string line =
      "JobId=12 JobName=my job Account=(null) JobState=FAILED Reason=NonZeroExitCode Dependency=(null) Requeue=1 "
      "Restarts=2 BatchFlag=1 ExitCode=3:0 StdErr=/w/my out StdIn=/dev/null StdOut=/w/my out Power= \n";
  const auto job = job_state_from(line);
  REQUIRE(job);
  CHECK(job->state == "FAILED");
  CHECK(job->reason == "NonZeroExitCode");
  CHECK(job->output == "/w/my out");
  CHECK(job->restarts == 2);
  CHECK(job->is_over());
  CHECK(job->exit_status() == 3);
  CHECK(job_state_from("JobId=1 JobState=COMPLETED Reason=None ExitCode=0:0 StdOut=/o")->exit_status() == 0);
  CHECK(job_state_from("JobId=1 JobState=COMPLETED Reason=None ExitCode=0:0 StdOut=/o")->output == "/o");
  CHECK(job_state_from("JobId=1 JobState=CANCELLED ExitCode=0:15 StdOut=/o")->exit_status() == 143);
  CHECK(job_state_from("JobId=1 JobState=TIMEOUT ExitCode=0:0 StdOut=/o")->exit_status() == 1);
  CHECK_FALSE(job_state_from("JobId=1 JobState=PENDING Reason=BeginTime ExitCode=0:0 StdOut=/o")->is_over());
  CHECK_FALSE(job_state_from("JobId=1 JobState=COMPLETING ExitCode=0:9 StdOut=/o")->is_over());
  CHECK_FALSE(job_state_from("slurm_load_jobs error: Invalid job id specified\n"));
}
