#include "executor/in_process_executor.hpp"

#include <cassert>
#include <chrono>
#include <utility>

namespace joblib_mpi {

void InProcessExecutor::start(ExecutorTask task) {
  assert(!finished_);
  Payload result;
  const auto begin = std::chrono::steady_clock::now();
  const bool returned = runner_->run(task, result);
  const std::chrono::duration<double> duration = std::chrono::steady_clock::now() - begin;
  finished_.emplace(task.task, returned ? TaskEnding::returned : TaskEnding::raised, duration.count(),
                    std::move(result));
}

std::optional<ExecutedTask> InProcessExecutor::take_finished() {
  return std::exchange(finished_, std::nullopt);
}

}  // namespace joblib_mpi
