#pragma once

#include "executor/executor.hpp"
#include "executor/large_results.hpp"
#include "executor/task_process.hpp"

#include <mutex>
#include <vector>

namespace joblib_mpi {

/// Turns a task into a result: decodes the arguments, calls the function, encodes what it returns or throws.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  /// Runs the task; returns whether the function returned. `layouts` receives the layouts of the result's parts, as far
  /// as they are known.
  [[nodiscard]] virtual bool run(const ExecutorTask& task, Payload& result, std::vector<ArrayLayout>& layouts) = 0;
  /// Returns the name of the function that ran last, if it is known.
  [[nodiscard]] virtual std::string function_name() const { return {}; }
  virtual void forget(ObjectId object) = 0;
};

/// Runs tasks on the worker's own thread, inside `start`, without a hand-over. A running task cannot be interrupted. A
/// child that a task forks ends if it returns from the task.
///
/// Messages wait while a task runs, unless another thread handles them. In that case `worker_mutex` is the lock that
/// guards the worker's state; the worker's thread holds it except while a function runs.
class InProcessExecutor final : public Executor {
 public:
  explicit InProcessExecutor(TaskRunner& runner, std::mutex* worker_mutex = nullptr)
      : runner_(&runner), worker_mutex_(worker_mutex) {}

  /// Lets large results go to files from now on, according to their tasks' limits. `format` must outlive this object.
  void spill_with(const ResultFormat& format) { large_results_.spill_with(format); }

  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override {}
  [[nodiscard]] bool wants_spill_folder() const override { return waiting_ && !waiting_->has_place; }
  void give_spill_folder(std::shared_ptr<const SpillPlace> place) override;
  void forget(ObjectId object) override;

 private:
  /// A result that waits for its folder.
  struct WaitingResult {
    ExecutedTask task;
    TaskLimits limits;
    ResultPlace place;
    bool has_place = false;
  };
  void spill_waiting();

  TaskRunner* runner_;
  std::mutex* worker_mutex_;
  TaskProcess process_;
  LargeResults large_results_;
  bool running_ = false;
  std::vector<ObjectId> forgotten_;  // objects to forget that were named while a task ran
  std::optional<WaitingResult> waiting_;
  std::optional<ExecutedTask> finished_;
};

}  // namespace joblib_mpi
