#include "doctor/problems.hpp"
#include "doctor/rank_groups.hpp"
#include "probe/number_list.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace joblib_mpi::launch {
namespace {

/// Returns the first of the ranks that has asked its Python; null if none has.
const RankReport* asked_on(const RanksOfHost& ranks) {
  for (const RankReport* rank : ranks) {
    if (!rank->python.executable.empty()) return rank;
  }
  return nullptr;
}

std::string version_of(const PythonFacts& python, const std::string& package) {
  if (package == "Python") return python.version;
  const auto found = python.packages.find(package);
  return found == python.packages.end() ? "missing" : found->second;
}

/// Returns whether a session refuses to start if this package differs between ranks. If another one differs, pickles
/// may not load, or results may differ.
bool must_be_equal(const std::string& package) {
  return package == "Python" || package == "joblib_mpi" || package == "cloudpickle";
}

constexpr const char* same_environment =
    "give all hosts the same environment: one in a shared folder, or the same container image";

/// Adds a problem for each package whose version differs between the hosts that have a usable Python.
void compare(Problems& problems, const std::vector<const RankReport*>& usable) {
  for (const std::string package : {"Python", "joblib_mpi", "cloudpickle", "joblib", "numpy", "sklearn"}) {
    std::map<std::string, std::set<std::string>> hosts_by_version;
    for (const RankReport* rank : usable) hosts_by_version[version_of(rank->python, package)].insert(rank->host);
    if (hosts_by_version.size() < 2) continue;
    std::string text;
    for (const auto& [version, hosts] : hosts_by_version) {
      text += (text.empty() ? "" : ", ") + version + " on " + hosts_in_words(hosts);
    }
    problems.push_back(
        {must_be_equal(package) ? Severity::fails : Severity::warns, package + " differs: " + text, same_environment});
  }
}

}  // namespace

Problems python_problems(const JobReport& report, const Expectations& expected) {
  std::vector<const RankReport*> usable;
  std::map<std::string, std::set<std::string>> hosts_by_error;
  std::map<std::string, std::set<std::string>> hosts_by_other_mpi;
  for (const auto& [host, ranks] : by_host(report)) {
    const RankReport* const rank = asked_on(ranks);
    if (rank == nullptr) continue;
    const PythonFacts& python = rank->python;
    if (!python.error.empty()) {
      hosts_by_error[python.executable + ": " + python.error].insert(host);
      continue;
    }
    usable.push_back(rank);
    if (!python.mpi_file.empty() && !rank->mpi.file.empty() && python.mpi_file != rank->mpi.file) {
      hosts_by_other_mpi["uses " + python.mpi_file + ", C++ programs use " + rank->mpi.file].insert(host);
    }
  }
  Problems problems;
  for (const auto& [error, hosts] : hosts_by_error) {
    problems.push_back({expected.needs_python ? Severity::fails : Severity::note,
                        "Python programs cannot run on " + hosts_in_words(hosts) + " with " + error,
                        "install joblib-mpi into that environment on all hosts, or name another Python with --python"});
  }
  for (const auto& [difference, hosts] : hosts_by_other_mpi) {
    problems.push_back({Severity::warns, "Python's joblib_mpi on " + hosts_in_words(hosts) + " " + difference,
                        "build both with the same MPI, whose mpirun must start the ranks"});
  }
  compare(problems, usable);
  return problems;
}

}  // namespace joblib_mpi::launch
