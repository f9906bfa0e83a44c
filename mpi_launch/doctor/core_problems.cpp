#include "doctor/problems.hpp"
#include "doctor/rank_groups.hpp"
#include "probe/number_list.hpp"

#include <algorithm>

namespace joblib_mpi::launch {
namespace {

using Cpus = std::set<int>;

std::string cores_in_words(const Cpus& cpus) {
  return (cpus.size() == 1 ? "core " : "cores ") + format_number_list(cpus);
}

std::set<int> ranks_inside(const std::map<Cpus, std::set<int>>& ranks_by_cpus, const Cpus& cpus) {
  std::set<int> inside;
  for (const auto& [own, ranks] : ranks_by_cpus) {
    if (std::ranges::includes(cpus, own)) inside.insert(ranks.begin(), ranks.end());
  }
  return inside;
}

void look_at_host(Problems& problems, const std::string& host, const RanksOfHost& ranks) {
  const auto ranks_by_cpus =
      ranks_by(ranks, [](const RankReport& rank) { return parse_number_list(rank.machine.cpus); });
  const MpiFacts& mpi = ranks.front()->mpi;
  Cpus all;
  for (const auto& [cpus, own] : ranks_by_cpus) all.insert(cpus.begin(), cpus.end());
  for (const auto& [cpus, own] : ranks_by_cpus) {
    const std::set<int> inside = ranks_inside(ranks_by_cpus, cpus);
    if (cpus.empty() || inside.size() <= cpus.size()) continue;
    const std::string what = ranks_in_words(inside) + " on " + host + " share " + cores_in_words(cpus);
    if (static_cast<int>(cpus.size()) < ranks.front()->machine.machine_cpus && cpus != all) {
      problems.push_back({Severity::warns, what + ", while other ranks have cores to themselves",
                          "let the launcher bind each rank to different cores, or no rank at all (--no-bind)"});
    } else if (mpi.tells && !mpi.yields) {
      problems.push_back({Severity::warns, what + ", and MPI does not yield its core while it waits",
                          "start fewer ranks, or set OMPI_MCA_mpi_yield_when_idle=1, which srun does not set"});
    } else {
      problems.push_back({Severity::note, what + " and take turns", "start no more ranks than there are cores"});
    }
  }
}

}  // namespace

Problems core_problems(const JobReport& report, const Expectations& expected) {
  Problems problems;
  for (const auto& [host, ranks] : by_host(report)) {
    look_at_host(problems, host, ranks);
    std::set<int> narrow;
    for (const RankReport* rank : ranks) {
      const auto cpus = static_cast<int>(parse_number_list(rank->machine.cpus).size());
      if (cpus > 0 && cpus < expected.threads_per_rank) narrow.insert(rank->rank);
    }
    if (narrow.empty()) continue;
    problems.push_back(
        {Severity::warns,
         ranks_in_words(narrow) + " on " + host + " may use fewer cores than the " +
             std::to_string(expected.threads_per_rank) + " threads that each is to have",
         "ask the launcher for as many cores per rank as threads (--threads, --cpus-per-task), or for fewer threads"});
  }
  return problems;
}

}  // namespace joblib_mpi::launch
