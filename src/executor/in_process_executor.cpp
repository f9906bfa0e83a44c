#include "executor/in_process_executor.hpp"

#include <cassert>
#include <chrono>
#include <utility>

namespace joblib_mpi {
namespace {

/// Gives the agent's lock away, if there is one, until the end of the scope.
class Unlocked {
 public:
  explicit Unlocked(std::mutex* agent) : agent_(agent) {
    if (agent_ != nullptr) agent_->unlock();
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() {
    if (agent_ != nullptr) agent_->lock();
  }

 private:
  std::mutex* agent_;
};

}  // namespace

void InProcessExecutor::start(ExecutorTask task) {
  assert(!finished_);
  Payload result;
  TaskEnding ending = TaskEnding::raised;
  std::chrono::duration<double> duration{};
  running_ = true;
  {
    const Unlocked unlocked(agent_);
    const auto begin = std::chrono::steady_clock::now();
    std::vector<ArrayLayout> layouts;
    if (runner_->run(task, result, layouts)) ending = TaskEnding::returned;
    duration = std::chrono::steady_clock::now() - begin;
    if (spiller_ && ending == TaskEnding::returned && ResultSpiller::is_due(result, task.limits)) {
      ending = spiller_->spill(result, {runner_->function_name(), std::move(layouts)}, duration.count(), task.place,
                               task.limits);
    }
  }
  running_ = false;
  for (const ObjectId object : std::exchange(forgotten_, {})) runner_->forget(object);
  finished_ = ExecutedTask{task.task, ending, duration.count(), std::move(result)};
}

void InProcessExecutor::forget(ObjectId object) {
  if (running_) {
    forgotten_.push_back(object);  // the runner belongs to the task
  } else {
    runner_->forget(object);
  }
}

std::optional<ExecutedTask> InProcessExecutor::take_finished() {
  return std::exchange(finished_, std::nullopt);
}

}  // namespace joblib_mpi
