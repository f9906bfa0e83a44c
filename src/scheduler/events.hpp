#pragma once

#include "core/ids.hpp"
#include "core/task_ending.hpp"
#include "scheduler/retry_policy.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace joblib_mpi {

/// The events that are reported to the scheduler.
namespace event {

struct WorkerJoined {
  WorkerId worker;
  bool gives_back = false;  ///< Whether it answers TakeBack while a task runs.
};
/// The worker, which has joined, answers TakeBack while a task runs.
struct WorkerGivesBack {
  WorkerId worker;
};
/// The worker is gone, and the tasks that it held are gone with it.
struct WorkerLost {
  WorkerId worker;
};
/// A `Parallel` call begins; at most `max_running` workers (at least 1) work for it at a time.
struct CallStarted {
  CallId call;
  std::size_t max_running;
  RetryPolicy retry = {};
  std::uint64_t owner = 0;  ///< The owners of calls take turns.
};
struct TaskSubmitted {
  TaskId task;
  CallId call;
  std::optional<WorkerId> only_on = {};  ///< The only worker that may run the task, if not every one may.
  std::size_t items = 1;                 ///< The number of items, of which other workers may take some.
};
/// The worker has finished an attempt at the task, whose function took `seconds`.
struct TaskFinished {
  TaskId task;
  double seconds;
  TaskEnding ending = TaskEnding::returned;
};
/// A running batch was asked for items: it keeps `items_left`, and the rest are new tasks, in their order.
struct BatchDivided {
  struct Part {
    TaskId task;
    std::size_t items;
  };
  TaskId batch;
  std::size_t items_left;
  std::vector<Part> parts;  ///< Empty if no item was left to be given.
};
/// The worker has answered TakeBack: it has not started these of its tasks and will not, in their order, nor the items
/// of the batch that are tasks now.
struct TasksReturned {
  WorkerId worker;
  std::vector<TaskId> tasks;
  std::optional<BatchDivided> divided = {};
};
/// No message of a worker has arrived for longer than a message takes.
struct Lull {};
/// No further task of the call starts. Running tasks go on and are not tried again.
struct CallStopped {
  CallId call;
};
/// The call's results are no longer wanted. Its tasks that a worker holds still end with TaskFinished or WorkerLost.
struct CallEnded {
  CallId call;
};

}  // namespace event

using SchedulerEvent =
    std::variant<event::WorkerJoined, event::WorkerLost, event::CallStarted, event::TaskSubmitted, event::TaskFinished,
                 event::CallStopped, event::CallEnded, event::WorkerGivesBack, event::TasksReturned, event::Lull>;

}  // namespace joblib_mpi
