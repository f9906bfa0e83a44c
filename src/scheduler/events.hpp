#pragma once

#include <joblib_mpi/ids.hpp>

#include <cstddef>
#include <variant>

namespace joblib_mpi {

/// What the scheduler is told.
namespace event {

struct WorkerJoined {
  WorkerId worker;
};
/// A `Parallel` call begins; at most `max_running` workers (at least 1) work for it at a time.
struct CallStarted {
  CallId call;
  std::size_t max_running;
};
struct TaskSubmitted {
  TaskId task;
  CallId call;
};
/// The worker is done with the task, whatever came of it. `seconds` is the time that its function took.
struct TaskFinished {
  TaskId task;
  double seconds;
};
/// Nobody wants the call's results any more. Its tasks that a worker holds still end with TaskFinished.
struct CallEnded {
  CallId call;
};

}  // namespace event

using SchedulerEvent =
    std::variant<event::WorkerJoined, event::CallStarted, event::TaskSubmitted, event::TaskFinished, event::CallEnded>;

}  // namespace joblib_mpi
