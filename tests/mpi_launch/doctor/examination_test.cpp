#include "doctor/examination.hpp"

#include "doctor/transports.hpp"
#include "healthy_job.hpp"
#include "probe/attendance.hpp"
#include "probe/report_lines.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi::launch;
using namespace joblib_mpi::launch::test;

namespace {

/// Returns the run of a launcher that ended with `status` after printing these texts.
CapturedRun ended(int status, const std::string& errors, const std::string& output = "") {
  return {.started = true, .timed_out = false, .status = status, .output = output, .errors = errors};
}

Problem first_problem(const CapturedRun& run) {
  const Examination examination = examine(run, four_ranks());
  CHECK(examination.run_would_fail());
  CHECK_FALSE(examination.report.has_value());
  REQUIRE_FALSE(examination.problems.empty());
  CHECK_FALSE(examination.problems.front().remedy.empty());
  return examination.problems.front();
}

}  // namespace

TEST_CASE("of a job in which all is well there is nothing to say") {
  const Examination examination = examine(ended(0, "", to_lines(healthy_job(), "n1:100")), four_ranks());
  CHECK_FALSE(examination.run_would_fail());
  CHECK(examination.problems.empty());
  CHECK(examination.words.empty());
}

TEST_CASE("transports are taken from Open MPI's words, which then are not shown") {
  JobReport job = healthy_job();
  for (LinkReport& link : job.links) {
    link.transport.clear();
    link.through = {"eth0"};
  }
  const std::string errors =
      "[n1:100] mca: bml: Using vader btl for send to [[8213,1],1] on node n1\n"
      "[n1:100] mca: bml: Not using tcp btl for send to [[8213,1],1] on node n1 because vader btl has higher "
      "exclusivity\n"
      "[n1:100] mca: bml: Using tcp btl for send to [[8213,1],2] on node n2\n"
      "a warning\n";
  const Examination examination = examine(ended(0, errors, to_lines(job, "n1:100")), four_ranks());
  REQUIRE(examination.report.has_value());
  CHECK(examination.report->links[0].transport == "vader");
  CHECK(examination.report->links[0].through.empty());
  CHECK(examination.report->links[1].transport == "tcp");
  CHECK(examination.report->links[1].through == std::vector<std::string>{"eth0"});
  CHECK(examination.words == "a warning\n");
}

TEST_CASE("where Open MPI leaves the choice to UCX, that is the transport") {
  JobReport job = healthy_job();
  job.links[0].transport.clear();
  job.ranks[0].mpi.layer = "ucx";
  const Examination examination = examine(ended(0, "", to_lines(job, "n1:100")), four_ranks());
  REQUIRE(examination.report.has_value());
  CHECK(examination.report->links[0].transport == "ucx");
}

TEST_CASE("ranks that each are a job of their own are recognised") {
  JobReport alone = healthy_job();
  alone.size = 1;
  alone.ranks.resize(1);
  alone.links.clear();
  const Examination examination =
      examine(ended(0, "", to_lines(alone, "n1:100") + to_lines(alone, "n1:101")), four_ranks());
  CHECK(examination.run_would_fail());
  REQUIRE(examination.problems.size() == 1);
  CHECK(says(examination.problems.front().what, "each is a job of 1 rank"));
}

TEST_CASE("a job that reported and did not end well fails") {
  const std::string output = to_lines(healthy_job(), "n1:100");
  CHECK(examine(ended(139, "", output), four_ranks()).run_would_fail());
  CapturedRun hanging = ended(143, "", output);
  hanging.timed_out = true;
  CHECK(says(examine(hanging, four_ranks()).problems.front().what, "the job did not end"));
}

TEST_CASE("what a launcher says of its failure is recognised, with what to do") {
  const auto what = [](const std::string& errors) { return first_problem(ended(1, errors)).what; };
  CHECK(says(what("mpirun has detected an attempt to run as root.\n"), "as root"));
  CHECK(says(what("There are not enough slots available in the system to satisfy the 64\nslots"), "fewer slots"));
  CHECK(says(what("probe: error while loading shared libraries: libmpi.so.40: cannot open"),
             "a host has no libmpi.so.40"));
  CHECK(says(what("ssh: Could not resolve hostname cn99: Name or service not known"), "cannot be resolved: cn99"));
  CHECK(says(what("me@cn1: Permission denied (publickey)."), "logging in on a host failed"));
  CHECK(says(what("OMPI was not built with SLURM's PMI support"), "no PMI in common"));
  CHECK(says(what("srun: error: Unable to create step for job 7: More processors requested than permitted"),
             "Slurm refuses the step"));
  CHECK(says(what("mpirun was unable to find the specified executable file, and therefore"), "missing on a host"));
  CHECK(says(what("ORTE was unable to reliably start one or more daemons.\n"), "daemon on another host"));
  CHECK(says(what("mpirun noticed that process rank 2 with PID 7 on node n1 exited on signal 9 (Killed).\n"),
             "signal 9 (Killed)"));
  CHECK(says(what("At least one pair of MPI processes are unable to reach each other for\nMPI communications."),
             "no transport between some of the ranks"));
  CHECK(says(what("something unheard of"), "ended with status 1"));
}

TEST_CASE("a launcher that is not there is named") {
  CapturedRun run;
  run.errors = "mpirun: No such file or directory";
  CHECK(says(first_problem(run).what, "mpirun: No such file or directory"));
}

TEST_CASE("ranks that never started, and those that came least far, are named") {
  CapturedRun run =
      ended(143, stage_line("rank 0 on n1", Stage::initialises) + stage_line("rank 1 on n1", Stage::asks_python) +
                     stage_line("rank 0 on n1", Stage::joined) + "a word\n");
  run.timed_out = true;
  const Examination examination = examine(run, four_ranks());
  CHECK(examination.words == "a word\n");
  REQUIRE(examination.problems.size() == 3);
  CHECK(says(examination.problems[0].what, "2 of 4 ranks never started"));
  CHECK(says(examination.problems[1].what, "rank 1 on n1 asks Python"));
  CHECK_FALSE(says(examination.problems[1].what, "rank 0"));
  CHECK(says(examination.problems[2].what, "time limit"));
}

TEST_CASE("a report without some ranks says what became of the job") {
  JobReport job = healthy_job();
  job.ranks.pop_back();
  job.links.clear();
  const Examination examination =
      examine(ended(137, "process rank 3 with PID 7 on node n2 exited on signal 9 (Killed).", to_lines(job, "n1:100")),
              four_ranks());
  REQUIRE(examination.problems.size() == 2);
  CHECK(says(examination.problems[0].what, "rank 3 joined the job, but did not report"));
  CHECK(says(examination.problems[1].what, "signal 9"));
}
