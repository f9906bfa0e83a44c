#include "coordinator/lost_worker.hpp"

#include <algorithm>

namespace joblib_mpi {

std::string warning_about(const LostWorker& lost, const std::vector<std::string>& hosts) {
  std::string text = "joblib_mpi: warning: rank " + std::to_string(lost.worker.value) + " on " +
                     hosts.at(static_cast<std::size_t>(lost.worker.value)) +
                     (lost.is_gone ? " was lost (" : " can run no more tasks (") + lost.reason + ")";
  if (lost.tasks_again == 1) text += "; its task will run again on another rank";
  if (lost.tasks_again > 1) {
    text += "; its " + std::to_string(lost.tasks_again) + " tasks will run again on other ranks";
  }
  return text;
}

std::vector<std::string> hosts_without_ranks(const std::vector<LostWorker>& lost,
                                             const std::vector<std::string>& hosts) {
  std::vector<bool> is_lost(hosts.size(), false);
  for (const LostWorker& worker : lost) is_lost.at(static_cast<std::size_t>(worker.worker.value)) = worker.is_gone;
  std::vector<std::string> left;
  std::vector<std::string> empty;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    if (!is_lost[rank]) left.push_back(hosts[rank]);
  }
  for (const std::string& host : hosts) {
    if (std::ranges::find(left, host) == left.end() && std::ranges::find(empty, host) == empty.end()) {
      empty.push_back(host);
    }
  }
  return empty;
}

}  // namespace joblib_mpi
