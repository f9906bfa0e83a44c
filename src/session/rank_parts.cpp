#include "session/rank_parts.hpp"

#include <cstdio>

namespace joblib_mpi {

void RankParts::abort_with(const std::vector<ServingWorker>& stuck, int status) const {
  std::string names;
  for (const auto& [worker, task] : stuck) {
    names += (names.empty() ? "" : ", ") + std::to_string(worker.value) + " on " +
             world.hosts()[static_cast<std::size_t>(worker.value)] + (task.empty() ? "" : " (running " + task + ")");
  }
  std::fprintf(stderr,
               "joblib_mpi: rank %s did not leave within %g s; the job ends through MPI_Abort with "
               "status %d (JOBLIB_MPI_SHUTDOWN_SECONDS changes the wait)\n",
               names.c_str(), settings.shutdown_seconds, status);
  std::fflush(nullptr);
  world.abort(status);
}

void RankParts::warn_of_losses(Coordinator& coordinator) const {
  coordinator.on_worker_lost(
      [this](const LostWorker& lost) { std::fprintf(stderr, "%s\n", warning_about(lost, world.hosts()).c_str()); });
}

}  // namespace joblib_mpi
