#include "probe/partners.hpp"

#include <set>

namespace joblib_mpi::launch {

std::vector<int> partners_of_rank_0(const std::vector<RankReport>& ranks) {
  std::vector<int> partners;
  std::set<std::string> hosts;
  for (const RankReport& report : ranks) {
    if (report.rank != 0 && hosts.insert(report.host).second) partners.push_back(report.rank);
  }
  return partners;
}

}  // namespace joblib_mpi::launch
