#include "session/loss_log.hpp"

#include <algorithm>
#include <cstdio>

namespace joblib_mpi {

void LossLog::watch(Coordinator& coordinator, const std::vector<std::string>& hosts) {
  if (broadcasts_ended_) coordinator.end_broadcasts();
  for (const LostWorker& lost : lost_) coordinator.lose(lost.worker, lost.reason);
  coordinator.on_worker_lost([this, &hosts](const LostWorker& lost) {
    std::fprintf(stderr, "%s\n", warning_about(lost, hosts).c_str());
    if (!lost.is_gone) return;
    lost_.push_back(lost);
    broadcasts_ended_ = true;
  });
  coordinator.on_worker_back([this, &hosts](WorkerId worker) {
    std::fprintf(stderr, "joblib_mpi: rank %d on %s is back and gets tasks again\n", worker.value,
                 hosts.at(static_cast<std::size_t>(worker.value)).c_str());
    std::erase_if(lost_, [worker](const LostWorker& lost) { return lost.worker == worker; });
  });
}

void LossLog::add(WorkerId worker) {
  if (std::ranges::find(lost_, worker, &LostWorker::worker) == lost_.end()) lost_.push_back({worker, "", 0});
}

}  // namespace joblib_mpi
