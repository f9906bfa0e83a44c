#include "session/loss_log.hpp"

#include <algorithm>
#include <cstdio>

namespace joblib_mpi {

void LossLog::watch(Coordinator& coordinator, const std::vector<std::string>& hosts) {
  for (const LostWorker& lost : lost_) coordinator.lose(lost.worker, lost.reason);
  coordinator.on_worker_lost([this, &hosts](const LostWorker& lost) {
    std::fprintf(stderr, "%s\n", warning_about(lost, hosts).c_str());
    if (lost.is_gone) lost_.push_back(lost);
  });
}

void LossLog::add(WorkerId worker) {
  if (std::ranges::find(lost_, worker, &LostWorker::worker) == lost_.end()) lost_.push_back({worker, "", 0});
}

}  // namespace joblib_mpi
