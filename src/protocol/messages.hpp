#pragma once

#include "core/file_identity.hpp"
#include "core/ids.hpp"
#include "core/item_range.hpp"
#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace joblib_mpi {

// This file holds the whole protocol. Rank 0 talks to workers and workers to rank 0; workers never talk to each other.
// Several messages may share a frame (wire_format.hpp); messages to one rank arrive in the order in which they were
// sent.

/// The messages from rank 0 to a worker.
namespace to_worker {

/// The first message of a run of the session. The worker answers with Hello; what it finds before this message is late,
/// from the run before.
struct Begin {};
/// Asks the worker to run the task once all `objects` are there. The worker answers with one TaskFinished in any case.
struct RunTask {
  TaskId task;
  CallId call;
  TaskLimits limits;
  std::vector<ObjectId> objects;
  Payload arguments;
  std::uint64_t index = 0;   ///< The index in its call of the task, or of the first item of its batch.
  ItemRange items = {};      ///< The items of the batch that this task is to run.
  std::string no_room = {};  ///< Why the worker has no memory for the arguments, usually empty; set where it arrives.
};
/// Tells where results of the following tasks go if they spill; valid until the next SpillInto.
struct SpillInto {
  SpillPlace place;
};
/// Answers SpillFolderWanted: the call's place, which is made or says why it cannot be.
struct SpillFolderMade {
  CallId call;
  SpillPlace place;
};
/// Asks the worker to drop the call's tasks that have not started, and to interrupt the running one unless `running`
/// lets it go on. Each task is still answered.
struct CancelCall {
  CallId call;
  WhatRuns running = WhatRuns::is_interrupted;
};
/// Asks the worker for tasks of the call that it has not started, at most `most` and the last ones first, because
/// another worker can start them sooner. If `seekers` are given, items of the running batch are wanted too. The worker
/// answers with one Returned, which may be empty.
struct TakeBack {
  CallId call;
  std::uint64_t most;
  ItemSeekers seekers = {};
};
/// Announces the broadcast of an object, which follows. `part_bytes` are the sizes of its parts in bytes; the head is
/// the first.
struct ShareObject {
  ObjectId object;
  std::vector<std::uint64_t> part_bytes;
};
/// Tells that a rank is lost, so there are no broadcasts any more: no ShareObject follows, and broadcasts under way
/// never complete. The worker answers with ObjectsMissing.
struct BroadcastsEnded {};
/// A whole object, sent after BroadcastsEnded.
struct ObjectContent {
  ObjectId object;
  Payload value;
  std::string no_room = {};  ///< Why the worker has no memory for the value, usually empty; set where it arrives.
};
/// Tells that no later message names the object. The object may never have arrived.
struct DropObject {
  ObjectId object;
};
/// Asks for a Pong, also while a task runs. Rank 0 sets `asks_always` if nothing that its program does keeps it from
/// pinging silent workers: then its silence means that it is gone.
struct Ping {
  bool asks_always = false;
};
/// Tells the worker that it was silent for so long that rank 0 has given it up, and may come back. The worker forgets
/// its tasks, ends the running one and answers with a Hello of the same epoch; rank 0 ignores all messages before that.
struct Rejoin {
  std::uint32_t epoch;  ///< Counts how many times the worker was given up.
};
/// Asks whether the worker's host has the same file as rank 0. The worker answers with one FileCompared.
struct CompareFile {
  std::uint64_t question;
  FileIdentity file;
};
/// Asks the worker to finish, say Goodbye and leave with `status`. `failure` is the text of the exception with which
/// rank 0 left, if any. Once `ranks_lost`, no rank may enter a collective: it would wait for the dead ranks.
struct Stop {
  std::int32_t status;
  std::string failure;
  bool ranks_lost = false;
};

}  // namespace to_worker

/// The messages from a worker to rank 0.
namespace to_coordinator {

/// The first message of a worker, its answer to Begin, and its answer to Rejoin. A worker that does not answer during
/// tasks sends nothing while it runs one.
struct Hello {
  bool answers_during_tasks;
  std::uint32_t epoch = 0;             ///< The epoch of the Rejoin; 0 for the first message.
  std::vector<ObjectId> objects = {};  ///< The objects that need not be sent to this worker.
};
struct TaskFinished {
  TaskId task;
  TaskEnding ending;
  double seconds;  ///< The time that the function took.
  Payload result;
};
/// The last items of a running batch: they have not started and will not start here. The batch ends without them.
struct GivenItems {
  TaskId batch;
  ItemRange items;        ///< Its `count` is 0 if there are none.
  std::uint32_t workers;  ///< The number of workers that are waiting for them.
};
/// Answers TakeBack with the tasks, in the order in which they would have started, and with items of the running batch
/// if it was asked for any and runs one. The worker answers these in no other way; they have not started and will not.
struct Returned {
  std::vector<TaskId> tasks;
  std::optional<GivenItems> items = {};
};
/// Answers BroadcastsEnded with the objects that were announced and are incomplete.
struct ObjectsMissing {
  std::vector<ObjectId> objects;
};
/// Answers Ping, as every other message does.
struct Pong {};
/// Reports that the task has used up its time, and that only the end of its rank can stop it.
struct Stuck {
  TaskId task;
};
/// Reports that this worker can run no more tasks. The worker drops those that it holds, without an answer, and goes on
/// serving.
struct Broken {
  std::string reason;
};
/// Answers CompareFile with the reason why the worker must not use its file; without a reason it may.
struct FileCompared {
  std::uint64_t question;
  std::string reason;
};
/// Asks for the folder of the call's place, before the first result of this worker that goes there. Rank 0 answers with
/// one SpillFolderMade.
struct SpillFolderWanted {
  CallId call;
};
/// Tells how much memory is left on the sender's node, which is not rank 0's: at first, and while the node has shared
/// objects each time it has changed much. Sent by one worker of the node.
struct RoomLeft {
  std::uint64_t bytes;
};
/// The last message of a worker in a run, sent after Stop. The worker leaves what arrives later to its next run.
struct Goodbye {};

}  // namespace to_coordinator

using MessageToWorker =
    std::variant<to_worker::RunTask, to_worker::CancelCall, to_worker::ShareObject, to_worker::BroadcastsEnded,
                 to_worker::ObjectContent, to_worker::DropObject, to_worker::Ping, to_worker::Stop,
                 to_worker::SpillInto, to_worker::Rejoin, to_worker::CompareFile, to_worker::SpillFolderMade,
                 to_worker::Begin, to_worker::TakeBack>;
using MessageToCoordinator =
    std::variant<to_coordinator::Hello, to_coordinator::TaskFinished, to_coordinator::ObjectsMissing,
                 to_coordinator::Pong, to_coordinator::Stuck, to_coordinator::Broken, to_coordinator::Goodbye,
                 to_coordinator::FileCompared, to_coordinator::SpillFolderWanted, to_coordinator::RoomLeft,
                 to_coordinator::Returned>;

}  // namespace joblib_mpi
