#pragma once

#include "core/ids.hpp"
#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace joblib_mpi {

// The whole protocol. Rank 0 talks to workers and workers to rank 0, never workers to each other. Several messages may
// share a frame (wire_format.hpp); those to one rank arrive in the order in which they were sent.

/// From rank 0 to a worker.
namespace to_worker {

/// Run the task once all `objects` are here. Answered by one TaskFinished, whatever happens.
struct RunTask {
  TaskId task;
  CallId call;
  TaskLimits limits;
  std::vector<ObjectId> objects;
  Payload arguments;
  std::uint64_t index = 0;  ///< of the task in its call
};
/// Where the results of the tasks that follow go, if they spill; until the next of these.
struct SpillInto {
  SpillPlace place;
};
/// Drop the call's tasks that have not started, and interrupt the running one unless it goes on. Each is still
/// answered.
struct CancelCall {
  CallId call;
  WhatRuns running = WhatRuns::is_interrupted;
};
/// The broadcast of an object follows: one part of each of these sizes in bytes, the head being the first.
struct ShareObject {
  ObjectId object;
  std::vector<std::uint64_t> part_bytes;
};
/// A rank is lost, so there are no broadcasts any more: no ShareObject follows, and those under way never end. Answered
/// by ObjectsMissing.
struct BroadcastsEnded {};
/// A whole object, after BroadcastsEnded.
struct ObjectContent {
  ObjectId object;
  Payload value;
};
/// Nobody will name the object again. It may never have arrived.
struct DropObject {
  ObjectId object;
};
/// Answer with Pong, also while a task runs. Rank 0 `asks_always` if nothing that its program does keeps it from asking
/// silent workers: then its own silence means that it is gone.
struct Ping {
  bool asks_always = false;
};
/// Finish, say Goodbye and leave with `status`. A `failure` is the text of the exception with which rank 0 left. Once
/// `ranks_lost`, nobody may enter a collective: it would wait for the dead.
struct Stop {
  std::int32_t status;
  std::string failure;
  bool ranks_lost = false;
};

}  // namespace to_worker

/// From a worker to rank 0.
namespace to_coordinator {

/// The first message of a worker. One that does not answer during tasks says nothing while it runs one.
struct Hello {
  bool answers_during_tasks;
};
struct TaskFinished {
  TaskId task;
  TaskEnding ending;
  double seconds;  ///< that the function took
  Payload result;
};
/// Answers BroadcastsEnded: the objects that were announced and are not whole.
struct ObjectsMissing {
  std::vector<ObjectId> objects;
};
/// Answers Ping; so does every other message.
struct Pong {};
/// The task has used up its time, and nothing can stop it but the end of its rank.
struct Stuck {
  TaskId task;
};
/// This worker can run no task any more. It drops those that it holds, without an answer, and goes on to serve.
struct Broken {
  std::string reason;
};
/// The last message of a worker, after Stop.
struct Goodbye {};

}  // namespace to_coordinator

using MessageToWorker = std::variant<to_worker::RunTask, to_worker::CancelCall, to_worker::ShareObject,
                                     to_worker::BroadcastsEnded, to_worker::ObjectContent, to_worker::DropObject,
                                     to_worker::Ping, to_worker::Stop, to_worker::SpillInto>;
using MessageToCoordinator =
    std::variant<to_coordinator::Hello, to_coordinator::TaskFinished, to_coordinator::ObjectsMissing,
                 to_coordinator::Pong, to_coordinator::Stuck, to_coordinator::Broken, to_coordinator::Goodbye>;

}  // namespace joblib_mpi
