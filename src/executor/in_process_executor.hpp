#pragma once

#include "executor/executor.hpp"

#include <mutex>
#include <vector>

namespace joblib_mpi {

/// How a task becomes a result: decodes the arguments, calls the function, encodes what it returns or throws.
/// Returns whether the function returned.
class TaskRunner {
 public:
  virtual ~TaskRunner() = default;
  [[nodiscard]] virtual bool run(const ExecutorTask& task, Payload& result) = 0;
  virtual void forget(ObjectId object) = 0;
};

/// Runs tasks on the agent's own thread, inside `start`: no hand-over at all. A running task cannot be interrupted.
///
/// Messages wait while a task runs, unless another thread attends to them: `agent` is then the lock under which the
/// agent's state is used, held by the agent's thread except while a function runs.
class InProcessExecutor final : public Executor {
 public:
  explicit InProcessExecutor(TaskRunner& runner, std::mutex* agent = nullptr) : runner_(&runner), agent_(agent) {}

  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override {}
  void forget(ObjectId object) override;

 private:
  TaskRunner* runner_;
  std::mutex* agent_;
  bool running_ = false;
  std::vector<ObjectId> forgotten_;  // while a task ran
  std::optional<ExecutedTask> finished_;
};

}  // namespace joblib_mpi
