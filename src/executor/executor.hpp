#pragma once

#include "core/ids.hpp"
#include "core/item_range.hpp"
#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A scattered object that a task uses, as it lies in this rank's store.
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
  ItemRange items = {};
};

struct ExecutedTask {
  TaskId task;
  TaskEnding ending;
  double seconds;  ///< The time that the function took.
  Payload result;
  ResultNotes notes = {};  ///< Set only in the process where the task ran.
};

/// Runs the user's functions, one task at a time. All calls come from the thread of the worker's loop; the functions
/// may run on that thread, on another thread or in another process.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  virtual ~Executor() = default;

  /// Starts a task. The previous task must have been taken.
  virtual void start(ExecutorTask task) = 0;
  /// Returns the task that was started, once it is done.
  [[nodiscard]] virtual std::optional<ExecutedTask> take_finished() = 0;
  /// Asks the running task to end early; it still comes back from `take_finished`.
  virtual void interrupt() = 0;
  /// Takes items from the end of the running task that have not begun, and returns them; the task ends without them.
  /// Returns a range of 0 items if there are none.
  [[nodiscard]] virtual ItemRange take_back_items(ItemSeekers) { return {0, 0}; }
  /// Returns whether the running task has returned a result that spills, and waits for its folder to be made.
  [[nodiscard]] virtual bool wants_spill_folder() const { return false; }
  /// Gives a result that waits the place where it may go now, which may also say why there is none. Does nothing if no
  /// result waits.
  virtual void give_spill_folder(std::shared_ptr<const SpillPlace>) {}
  /// Returns why no task can run here any more, if that is so: executors can no longer be started. Called after a task
  /// was lost.
  [[nodiscard]] virtual std::optional<std::string> broken() const { return std::nullopt; }
  /// Forgets the object, which no later task uses, and everything that was made of it.
  virtual void forget(ObjectId object) = 0;
  /// Takes back memory that is no longer used. Called between tasks; almost free if there is none.
  virtual void reclaim() {}
};

}  // namespace joblib_mpi
