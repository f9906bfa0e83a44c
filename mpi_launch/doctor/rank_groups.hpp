#pragma once

#include "probe/report.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::launch {

using RanksOfHost = std::vector<const RankReport*>;

/// Groups the ranks by host, in the order of the hosts' first ranks. The pointers are valid as long as `report` is.
[[nodiscard]] inline std::vector<std::pair<std::string, RanksOfHost>> by_host(const JobReport& report) {
  std::vector<std::pair<std::string, RanksOfHost>> hosts;
  std::map<std::string, std::size_t> places;
  for (const RankReport& rank : report.ranks) {
    const auto [place, is_new] = places.try_emplace(rank.host, hosts.size());
    if (is_new) hosts.emplace_back(rank.host, RanksOfHost{});
    hosts[place->second].second.push_back(&rank);
  }
  return hosts;
}

/// Groups rank numbers by the value that `function` returns for their reports.
template <class Function>
[[nodiscard]] auto ranks_by(const RanksOfHost& ranks, Function function) {
  std::map<decltype(function(*ranks.front())), std::set<int>> groups;
  for (const RankReport* rank : ranks) groups[function(*rank)].insert(rank->rank);
  return groups;
}

}  // namespace joblib_mpi::launch
