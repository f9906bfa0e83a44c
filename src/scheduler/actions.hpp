#pragma once

#include "core/ids.hpp"
#include "core/item_range.hpp"
#include "core/task_ending.hpp"

#include <cstddef>
#include <variant>
#include <vector>

namespace joblib_mpi {

/// The scheduler's instructions to the coordinator, to be carried out in the order in which they are given.
namespace action {

/// Sends the task to the worker, for the first time or again.
struct Assign {
  TaskId task;
  WorkerId worker;
};
/// Hands the outcome of the task's last attempt to the call.
struct Complete {
  TaskId task;
};
/// Tells the call that the task is lost: the worker of its last attempt was lost, or no worker is left.
struct GiveUp {
  TaskId task;
};
/// Tells the call that the task has not started and will not start.
struct Withdraw {
  TaskId task;
};
/// Forgets the task: it never ran, or its call has ended.
struct Discard {
  TaskId task;
};
/// Tells the worker to drop the call's tasks that it has not started, and what to do with the running one.
struct CancelCall {
  CallId call;
  WorkerId worker;
  WhatRuns running;
};

/// Asks the worker for the last of the call's tasks that it has not started, at most `most`, or for items of the batch
/// that it runs. It answers with TasksReturned unless it is lost.
struct TakeBack {
  CallId call;
  WorkerId worker;
  std::size_t most;
  ItemSeekers seekers = {};
};

}  // namespace action

using SchedulerAction = std::variant<action::Assign, action::Complete, action::GiveUp, action::Withdraw,
                                     action::Discard, action::CancelCall, action::TakeBack>;
using SchedulerActions = std::vector<SchedulerAction>;

}  // namespace joblib_mpi
