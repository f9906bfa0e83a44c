#pragma once

#include "executor/executor.hpp"
#include "executor/large_results.hpp"

#include <mutex>
#include <vector>

namespace joblib_mpi {

/// How a task becomes a result: decodes the arguments, calls the function, encodes what it returns or throws.
/// Returns whether the function returned.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  /// `layouts` are of the result's parts, as far as they are known.
  [[nodiscard]] virtual bool run(const ExecutorTask& task, Payload& result, std::vector<ArrayLayout>& layouts) = 0;
  /// Of the function that ran last, if it is known.
  [[nodiscard]] virtual std::string function_name() const { return {}; }
  virtual void forget(ObjectId object) = 0;
};

/// Runs tasks on the worker's own thread, inside `start`: no hand-over at all. A running task cannot be interrupted.
///
/// Messages wait while a task runs, unless another thread attends to them: `worker_mutex` is then the lock under which
/// the worker's state is used, held by the worker's thread except while a function runs.
class InProcessExecutor final : public Executor {
 public:
  explicit InProcessExecutor(TaskRunner& runner, std::mutex* worker_mutex = nullptr)
      : runner_(&runner), worker_mutex_(worker_mutex) {}

  /// Large results go to files from now on, as their tasks' limits say.
  void spill_with(const ResultFormat& format) { large_results_.spill_with(format); }

  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override {}
  void forget(ObjectId object) override;

 private:
  TaskRunner* runner_;
  std::mutex* worker_mutex_;
  LargeResults large_results_;
  bool running_ = false;
  std::vector<ObjectId> forgotten_;  // while a task ran
  std::optional<ExecutedTask> finished_;
};

}  // namespace joblib_mpi
