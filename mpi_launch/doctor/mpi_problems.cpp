#include "doctor/problems.hpp"
#include "probe/number_list.hpp"

#include <map>
#include <regex>
#include <set>

namespace joblib_mpi::launch {
namespace {

void find_missing_ranks(Problems& problems, const JobReport& report, const Expectations& expected) {
  std::set<int> missing;
  for (int rank = 0; rank < report.size; ++rank) missing.insert(rank);
  for (const RankReport& rank : report.ranks) missing.erase(rank.rank);
  if (!missing.empty()) {
    problems.push_back({Severity::fails, ranks_in_words(missing) + " joined the job, but did not report in time",
                        "read their messages below, and check whether their host hangs or swaps"});
  }
  if (report.size != expected.ranks) {
    problems.push_back(
        {Severity::fails,
         std::to_string(report.size) + " ranks have joined instead of " + std::to_string(expected.ranks),
         "find out why the launcher did not start as many as it was asked for; read its messages below"});
  }
  if (report.size == 1 && expected.ranks == 1) {
    problems.push_back({Severity::note, "there is one rank only, which runs all tasks itself",
                        "ask for more ranks with -n, or run this inside an allocation"});
  }
}

/// Adds a problem if `field` is not equal on all ranks; `what` names it in the text.
template <class Field>
void find_differences(Problems& problems, const JobReport& report, const char* what, const char* remedy, Field field) {
  std::map<std::string, std::set<std::string>> hosts_by_value;
  for (const RankReport& rank : report.ranks) hosts_by_value[field(rank)].insert(rank.host);
  if (hosts_by_value.size() < 2) return;
  std::string text;
  for (const auto& [value, hosts] : hosts_by_value) {
    text += (text.empty() ? "" : "; ") + value + " on " + hosts_in_words(hosts);
  }
  problems.push_back({Severity::fails, std::string(what) + " differ: " + text, remedy});
}

/// Parses the text of MPI_Get_library_version: "Open MPI v4.1.4", "MPICH Version:\t4.0.2", "Intel(R) MPI Library 2021.5
/// …".
MpiVersion library_version(const std::string& text) {
  static const std::regex number(R"((\d+)(\.\d+)*)");
  MpiVersion mpi;
  for (const char* name : {"Open MPI", "MPICH", "Intel"}) {
    if (text.starts_with(name)) mpi.name = std::string(name) == "Intel" ? "Intel MPI" : name;
  }
  if (mpi.name.empty()) mpi.name = text;
  std::smatch match;
  if (std::regex_search(text, match, number)) {
    mpi.version = match[0];
    mpi.major = std::stoi(match[1]);
  }
  return mpi;
}

void compare_launcher(Problems& problems, const MpiFacts& mpi, const MpiVersion& launcher) {
  const MpiVersion library = library_version(mpi.library);
  if (launcher.name.empty() || mpi.library.empty()) return;
  const std::string what =
      "the launcher is " + to_string(launcher) + ", the library is " + to_string(library) + " (" + mpi.file + ")";
  const std::string remedy =
      "put the mpirun that belongs to the library first on PATH: that of the same module, package or environment";
  if (!can_start(launcher, library)) {
    problems.push_back({Severity::fails, what, remedy});
  } else if (launcher.version != library.version) {
    problems.push_back({Severity::warns, what, remedy});
  }
}

void look_at_threads(Problems& problems, const MpiFacts& mpi, bool needs_python) {
  if (mpi.thread_level == "MPI_THREAD_SINGLE") {
    // Beside the thread that initialised MPI, a rank has one that answers rank 0, or Python's threads.
    problems.push_back({needs_python ? Severity::fails : Severity::warns,
                        "MPI provides only MPI_THREAD_SINGLE, but ranks have several threads",
                        "use an MPI library that was built with thread support"});
  } else if (mpi.thread_level == "MPI_THREAD_FUNNELED") {
    problems.push_back(
        {Severity::warns,
         "MPI provides only MPI_THREAD_FUNNELED: every message goes through one thread, which costs time",
         "use an MPI library that provides MPI_THREAD_SERIALIZED"});
  }
}

void look_at_ulfm(Problems& problems, const JobReport& report) {
  const MpiFacts& mpi = report.ranks.front().mpi;
  if (report.size < 2 || mpi.ulfm) return;
  problems.push_back(
      {Severity::note,
       mpi.can_ulfm ? "ULFM is off: a rank that dies ends the job"
                    : "this MPI library has no ULFM: a rank that dies ends the job",
       mpi.can_ulfm ? "joblib-mpi run --survive (mpirun --with-ft ulfm) switches it on"
                    : "joblib-mpi run --survive lets the other ranks continue, and detects dead ranks by heartbeats"});
}

}  // namespace

Problems mpi_problems(const JobReport& report, const Expectations& expected) {
  Problems problems;
  find_missing_ranks(problems, report, expected);
  if (report.ranks.empty()) return problems;
  find_differences(problems, report, "MPI libraries", "let all hosts use the same MPI: the same module or package",
                   [](const RankReport& rank) { return rank.mpi.library; });
  find_differences(problems, report, "builds of joblib-mpi", "install the same build of joblib-mpi on all hosts",
                   [](const RankReport& rank) { return rank.probe; });
  compare_launcher(problems, report.ranks.front().mpi, expected.launcher);
  look_at_threads(problems, report.ranks.front().mpi, expected.needs_python);
  look_at_ulfm(problems, report);
  return problems;
}

}  // namespace joblib_mpi::launch
