#include "executor/in_process_executor.hpp"

#include <cassert>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace joblib_mpi {
namespace {

/// Releases the worker's lock, if there is one, until the end of the scope.
class Unlocked {
 public:
  explicit Unlocked(std::mutex* worker_mutex) : worker_mutex_(worker_mutex) {
    if (worker_mutex_ != nullptr) worker_mutex_->unlock();
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() {
    if (worker_mutex_ != nullptr) worker_mutex_->lock();
  }

 private:
  std::mutex* worker_mutex_;
};

}  // namespace

void InProcessExecutor::start(ExecutorTask task) {
  assert(!finished_);
  ExecutedTask done{.task = task.task, .ending = TaskEnding::raised, .seconds = 0, .result = {}};
  running_ = true;
  {
    const Unlocked unlocked(worker_mutex_);
    const auto begin = std::chrono::steady_clock::now();
    std::vector<ArrayLayout> layouts;
    if (runner_->run(task, done.result, layouts)) done.ending = TaskEnding::returned;
    process_.end_children(done.ending == TaskEnding::returned ? EXIT_SUCCESS : EXIT_FAILURE);
    done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    large_results_.spill_if_due(done, task.limits, task.place, [&] {
      return ResultNotes{runner_->function_name(), std::move(layouts)};
    });
  }
  running_ = false;
  for (const ObjectId object : std::exchange(forgotten_, {})) runner_->forget(object);
  finished_ = std::move(done);
}

void InProcessExecutor::forget(ObjectId object) {
  if (running_) {
    forgotten_.push_back(object);  // the task is using the runner
  } else {
    runner_->forget(object);
  }
}

std::optional<ExecutedTask> InProcessExecutor::take_finished() {
  return std::exchange(finished_, std::nullopt);
}

}  // namespace joblib_mpi
