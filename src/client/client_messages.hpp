#pragma once

#include "core/file_identity.hpp"
#include "core/file_refusal.hpp"
#include "core/finished_task.hpp"
#include "core/ids.hpp"
#include "core/task_request.hpp"
#include "segments/payload_block.hpp"
#include <joblib_mpi/detail/call_options.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace joblib_mpi {

// This file holds everything that a client and rank 0 tell each other once they have greeted (greeting.hpp). A client
// is a process that is no rank; rank 0 works for it as it does for its own program. The client numbers its calls and
// objects itself, so that it waits for rank 0 only where it asks for something. Rank 0 looks into no payload.

/// The facts that a client can ask for, each a number; see CoordinatorDriver.
enum class Fact : std::uint8_t {
  object_stats,         ///< answered with all members of ObjectStats, in their order
  unfinished_tasks,     ///< of all clients
  results_fill_memory,  ///< of the call: 0 or 1
  room_elsewhere,       ///< in bytes
  worker_returns,
};

/// The messages from a client to rank 0.
namespace to_rank0 {

/// Starts a call. Rank 0 answers with one CallStarted.
struct StartCall {
  CallId call;
  CallOptions options;
};
/// Queues a task of the call, which comes back as one TaskFinished unless the call ends.
struct SubmitTask {
  CallId call;
  TaskRequest task;
};
/// Starts no more tasks of the call: those that wait come back as `cancelled`.
struct StopStarting {
  CallId call;
};
/// Ends the call; nothing of it comes back.
struct EndCall {
  CallId call;
};
/// Shares an object with all workers.
struct ShareObject {
  ObjectId object;
  Payload value;
};
/// Shares an object with all workers, which is one block in the client's memory; see payload_block.hpp.
struct ShareBlock {
  ObjectId object;
  PartBytes part_bytes;
  SharedBytes block;
};
/// Tells that no later task names the object.
struct DropObject {
  ObjectId object;
};
/// Asks for a fact. Rank 0 answers with one Answer.
struct Ask {
  std::uint64_t question;
  Fact fact;
  CallId call = {};  ///< The call that the question is about, if it is about one.
};
/// Asks which workers' hosts do not have a file of the client's host. Rank 0 answers with one FileRefusals.
struct CompareFile {
  std::uint64_t question;
  FileIdentity file;
};
/// The last message: rank 0 ends the client's calls and drops its objects.
struct Goodbye {};

}  // namespace to_rank0

/// The reason for which rank 0 could not start a call.
enum class CallRefusal : std::uint8_t { none, spill, memory, session };

/// The messages from rank 0 to a client.
namespace to_client {

/// Answers StartCall; with a refusal, the call has not started.
struct CallStarted {
  CallId call;
  CallRefusal refusal = CallRefusal::none;
  std::string reason = {};
};
/// Answers SubmitTask.
struct TaskFinished {
  FinishedTask task;
};
/// Answers Ask.
struct Answer {
  std::uint64_t question;
  std::vector<std::uint64_t> numbers;
};
/// Answers CompareFile.
struct FileRefusals {
  std::uint64_t question;
  std::vector<FileRefusal> refusals;
};
/// The last message: the job ends, and all calls of the client with it.
struct SessionEnded {
  std::string reason;
};

}  // namespace to_client

using MessageToRank0 = std::variant<to_rank0::StartCall, to_rank0::SubmitTask, to_rank0::StopStarting,
                                    to_rank0::EndCall, to_rank0::ShareObject, to_rank0::ShareBlock,
                                    to_rank0::DropObject, to_rank0::Ask, to_rank0::CompareFile, to_rank0::Goodbye>;
using MessageToClient = std::variant<to_client::CallStarted, to_client::TaskFinished, to_client::Answer,
                                     to_client::FileRefusals, to_client::SessionEnded>;

}  // namespace joblib_mpi
