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
  assert(!finished_ && !waiting_);
  ExecutedTask done{.task = task.task, .ending = TaskEnding::raised, .seconds = 0, .result = {}};
  running_ = true;
  bool has_to_wait = false;
  {
    const Unlocked unlocked(worker_mutex_);
    const auto begin = std::chrono::steady_clock::now();
    std::vector<ArrayLayout> layouts;
    if (runner_->run(task, done.result, layouts)) done.ending = TaskEnding::returned;
    process_.end_children(done.ending == TaskEnding::returned ? EXIT_SUCCESS : EXIT_FAILURE);
    done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const auto notes = [&] { return ResultNotes{runner_->function_name(), std::move(layouts)}; };
    has_to_wait = large_results_.wants_folder(done, task.limits, task.place);
    if (has_to_wait) {
      done.notes = notes();
    } else {
      large_results_.spill_if_due(done, task.limits, task.place, notes);
    }
  }
  running_ = false;
  for (const ObjectId object : std::exchange(forgotten_, {})) runner_->forget(object);
  if (has_to_wait) {
    waiting_ = WaitingResult{std::move(done), task.limits, std::move(task.place)};
  } else {
    finished_ = std::move(done);
  }
}

void InProcessExecutor::give_spill_folder(std::shared_ptr<const SpillPlace> place) {
  if (!wants_spill_folder()) return;
  waiting_->place.spill = std::move(place);
  waiting_->has_place = true;
}

void InProcessExecutor::spill_waiting() {
  WaitingResult result = std::move(*waiting_);
  waiting_.reset();
  {
    const Unlocked unlocked(worker_mutex_);
    large_results_.spill_if_due(result.task, result.limits, result.place,
                                [&]() -> const ResultNotes& { return result.task.notes; });
  }
  finished_ = std::move(result.task);
}

void InProcessExecutor::forget(ObjectId object) {
  if (running_) {
    forgotten_.push_back(object);  // the task is using the runner
  } else {
    runner_->forget(object);
  }
}

std::optional<ExecutedTask> InProcessExecutor::take_finished() {
  if (waiting_ && waiting_->has_place) spill_waiting();
  return std::exchange(finished_, std::nullopt);
}

}  // namespace joblib_mpi
