#include "doctor/launch_problems.hpp"

#include <array>
#include <regex>

namespace joblib_mpi::launch {
namespace {

/// A failure that is recognised by a text in the output.
struct KnownFailure {
  const char* words;  ///< a regular expression for what a launcher or loader prints
  const char* what;   ///< "$1" stands for the match of the first group
  const char* remedy;
};

/// The failures by priority: the first one in this table that is found is reported. Others are mostly its consequences.
constexpr std::array known_failures{
    KnownFailure{R"(attempt to run as root)", "Open MPI refuses to start ranks as root",
                 "run as an ordinary user; in a container set OMPI_ALLOW_RUN_AS_ROOT=1 and "
                 "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"},
    KnownFailure{R"(not enough slots available|All nodes which are allocated for this job are already filled)",
                 "the launcher has fewer slots than ranks",
                 "ask for fewer ranks (-n), for a larger allocation, or allow more ranks than cores (--oversubscribe)"},
    KnownFailure{R"(error while loading shared libraries: ([^:\s]+))", "a host has no $1",
                 "install it there, or load the same modules (LD_LIBRARY_PATH) on all hosts; mpirun passes variables "
                 "on with -x"},
    KnownFailure{R"((?:Could not resolve hostname|[Uu]nknown host|[Nn]ame or service not known)[: ]*([\w.-]*))",
                 "a host name cannot be resolved: $1", "correct the name in the host file or after --host"},
    KnownFailure{R"((Permission denied|Host key verification failed)[^\n]*)", "logging in on a host failed: $1",
                 "set up ssh to each host without a password, or start inside a Slurm allocation"},
    KnownFailure{
        R"(OMPI was not built with SLURM's PMI support|PMI[x2]? (?:server|library)[^\n]*not|mpi/pmix[^\n]*plugin)",
        "srun and this MPI library have no PMI in common",
        "use a Slurm with PMIx (srun --mpi=list shows it), or start with mpirun inside the allocation (--launcher "
        "mpirun)"},
    KnownFailure{
        R"((Requested node configuration is not available|More processors requested than permitted|Unable to (?:create step|allocate resources)[^\n]*))",
        "Slurm refuses the step: $1", "ask for no more than the allocation has: fewer ranks, or fewer cores per rank"},
    KnownFailure{
        R"((?:unable to find the specified executable|could not access or execute an executable|execve\(\): [^\n]*No such file)[^\n]*)",
        "joblib-mpi-probe is missing on a host", "install joblib-mpi in the same place on all hosts"},
    KnownFailure{
        R"(unable to reliably start one or more daemons|daemon has unexpectedly failed|lost communication with)",
        "the launcher's daemon on another host did not start, or was lost",
        "read its message below; all hosts need the same Open MPI and must reach each other by TCP"},
    KnownFailure{R"(unable to reach each other for\s+MPI)", "MPI finds no transport between some of the ranks",
                 "the messages below name them; do not exclude tcp, self or shared memory with OMPI_MCA_btl, and name "
                 "the network that "
                 "joins the hosts with OMPI_MCA_btl_tcp_if_include"},
    KnownFailure{R"(exited on signal (\d+[^\n.]*))", "a rank was ended by signal $1",
                 "the messages below name the rank; look for the reason on its host: signal 9 is often the memory "
                 "limit, 7 a full "
                 "/dev/shm"},
    KnownFailure{R"(measuring the way to (rank \d+ on \S+) did not end)", "messages to $1 do not arrive",
                 "check for a firewall, and name the network that joins the hosts with OMPI_MCA_btl_tcp_if_include"},
};

Problem from(const KnownFailure& failure, const std::smatch& match) {
  return {Severity::fails, match.format(failure.what), failure.remedy};
}

/// Adds the ranks that never started or did not join, with the last stage that each reported.
void look_who_is_missing(Problems& problems, const Attendance& attendance, int ranks) {
  if (attendance.stages.empty()) return;
  const auto started = static_cast<int>(attendance.stages.size());
  if (started < ranks) {
    problems.push_back({Severity::fails,
                        std::to_string(ranks - started) + " of " + std::to_string(ranks) + " ranks never started",
                        "read the launcher's messages below"});
  }
  constexpr std::size_t most_named = 8;
  std::string names;
  std::size_t behind = 0;
  for (const auto& [process, stage] : attendance.stages) {
    if (stage == Stage::joined || ++behind > most_named) continue;
    names += (names.empty() ? "" : "; ") + process + " " + in_words(stage);
  }
  if (behind == 0) return;
  if (behind > most_named) names += "; and " + std::to_string(behind - most_named) + " more";
  problems.push_back({Severity::fails, "ranks have not joined the job; their last reports: " + names,
                      "check the hosts of the ranks that got least far"});
}

}  // namespace

Problems launch_problems(const CapturedRun& run, const Attendance& attendance, const Expectations& expected) {
  if (!run.started) {
    return {{Severity::fails, "the launcher cannot be started: " + run.errors,
             "install MPI, or load its module, so that PATH has mpirun or srun"}};
  }
  Problems problems;
  const std::string words = run.errors + run.output;
  for (const KnownFailure& failure : known_failures) {
    std::smatch match;
    if (!std::regex_search(words, match, std::regex(failure.words))) continue;
    problems.push_back(from(failure, match));
    break;
  }
  look_who_is_missing(problems, attendance, expected.ranks);
  if (run.timed_out) {
    problems.push_back(
        {Severity::fails, "the ranks did not finish within the time limit and were ended",
         "check the ranks that got least far; a slow file system or many hosts may need more time (--seconds)"});
  }
  return problems;
}

}  // namespace joblib_mpi::launch
