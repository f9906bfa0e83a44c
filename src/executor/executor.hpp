#pragma once

#include "core/ids.hpp"
#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A scattered object that a task names, as it lies in this rank's store.
struct ObjectInput {
  ObjectId object;
  std::shared_ptr<const Payload> value;
};

struct ExecutorTask {
  TaskId task;
  Payload arguments;
  std::vector<ObjectInput> objects;
  TaskLimits limits = {};
  ResultPlace place = {};
};

struct ExecutedTask {
  TaskId task;
  TaskEnding ending;
  double seconds;  ///< that the function took
  Payload result;
  ResultNotes notes = {};  ///< only where the task ran
};

/// Where the user's functions run: one task at a time. All calls come from the worker, the thread of the worker's
/// loop; the functions may run on it, on another thread or in another process.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  /// Begins a task. The one before must have been taken.
  virtual void start(ExecutorTask task) = 0;
  /// The task that was started, once it is done.
  [[nodiscard]] virtual std::optional<ExecutedTask> take_finished() = 0;
  /// Asks the running task to end early; it still comes back from `take_finished`.
  virtual void interrupt() = 0;
  /// Why no task can run here any more, if so: what runs them cannot be had. Asked after a task was lost.
  [[nodiscard]] virtual std::optional<std::string> broken() const { return std::nullopt; }
  /// Nobody will name the object again: what was made of it can go.
  virtual void forget(ObjectId object) = 0;
  /// Between tasks: takes memory back that is not used any more. Costs next to nothing if there is none.
  virtual void reclaim() {}
};

}  // namespace joblib_mpi
