#include "coordinator/lost_worker.hpp"

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

}  // namespace joblib_mpi
