#pragma once

#include "core/task_ending.hpp"
#include <joblib_mpi/ids.hpp>
#include <joblib_mpi/payload.hpp>

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
};
/// Drop the call's tasks that have not started and interrupt the running one. Each is still answered.
struct CancelCall {
  CallId call;
};
/// The broadcast of an object follows: one part of each of these sizes in bytes, the head being the first.
struct ShareObject {
  ObjectId object;
  std::vector<std::uint64_t> part_bytes;
};
/// Nobody will name the object again.
struct DropObject {
  ObjectId object;
};
/// Finish, say Goodbye and leave with `status`. A `failure` is the text of the exception with which rank 0 left.
struct Stop {
  std::int32_t status;
  std::string failure;
};

}  // namespace to_worker

/// From a worker to rank 0.
namespace to_coordinator {

struct TaskFinished {
  TaskId task;
  TaskEnding ending;
  double seconds;  ///< that the function took
  Payload result;
};
/// The last message of a worker, after Stop.
struct Goodbye {};

}  // namespace to_coordinator

using MessageToWorker = std::variant<to_worker::RunTask, to_worker::CancelCall, to_worker::ShareObject,
                                     to_worker::DropObject, to_worker::Stop>;
using MessageToCoordinator = std::variant<to_coordinator::TaskFinished, to_coordinator::Goodbye>;

}  // namespace joblib_mpi
