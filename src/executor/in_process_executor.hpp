#pragma once

#include "executor/executor.hpp"

#include <functional>

namespace joblib_mpi {

/// How a task becomes a result: decodes the arguments, calls the function, encodes what it returns or throws.
/// Returns whether the function returned.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  [[nodiscard]] virtual bool run(const ExecutorTask& task, Payload& result) = 0;
  virtual void forget(ObjectId object) = 0;
};

/// Runs tasks on the agent's own thread, inside `start`: no hand-over at all. Messages wait while a task runs, and a
/// running task cannot be interrupted.
class InProcessExecutor final : public Executor {
 public:
  explicit InProcessExecutor(TaskRunner& runner) : runner_(&runner) {}

  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override {}
  void forget(ObjectId object) override { runner_->forget(object); }

 private:
  TaskRunner* runner_;
  std::optional<ExecutedTask> finished_;
};

}  // namespace joblib_mpi
