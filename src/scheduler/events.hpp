#pragma once

#include "core/ids.hpp"
#include "core/task_ending.hpp"
#include "scheduler/retry_policy.hpp"

#include <cstddef>
#include <variant>

namespace joblib_mpi {

/// What the scheduler is told.
namespace event {

struct WorkerJoined {
  WorkerId worker;
};
/// The worker is gone, and with it what it held.
struct WorkerLost {
  WorkerId worker;
};
/// A `Parallel` call begins; at most `max_running` workers (at least 1) work for it at a time.
struct CallStarted {
  CallId call;
  std::size_t max_running;
  RetryPolicy retry = {};
};
struct TaskSubmitted {
  TaskId task;
  CallId call;
};
/// The worker is done with the task. `seconds` is the time that its function took.
struct TaskFinished {
  TaskId task;
  double seconds;
  TaskEnding ending = TaskEnding::returned;
};
/// No task of the call starts any more. Those that run go on, and have no more attempts.
struct CallStopped {
  CallId call;
};
/// Nobody wants the call's results any more. Its tasks that a worker holds still end with TaskFinished or WorkerLost.
struct CallEnded {
  CallId call;
};

}  // namespace event

using SchedulerEvent = std::variant<event::WorkerJoined, event::WorkerLost, event::CallStarted, event::TaskSubmitted,
                                    event::TaskFinished, event::CallStopped, event::CallEnded>;

}  // namespace joblib_mpi
