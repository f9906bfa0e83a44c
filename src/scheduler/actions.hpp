#pragma once

#include <joblib_mpi/ids.hpp>

#include <variant>
#include <vector>

namespace joblib_mpi {

/// What the scheduler wants done, in this order.
namespace action {

/// Send the task to the worker.
struct Assign {
  TaskId task;
  WorkerId worker;
};
/// Hand the task's result to the call.
struct Complete {
  TaskId task;
};
/// Forget the task: it never ran, or its call has ended.
struct Discard {
  TaskId task;
};
/// Tell the worker to drop the call's tasks that it has not started, and to interrupt the running one.
struct CancelCall {
  CallId call;
  WorkerId worker;
};

}  // namespace action

using SchedulerAction = std::variant<action::Assign, action::Complete, action::Discard, action::CancelCall>;
using SchedulerActions = std::vector<SchedulerAction>;

}  // namespace joblib_mpi
