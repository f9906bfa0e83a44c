#pragma once

#include "core/wake_flag.hpp"
#include "executor/executor.hpp"
#include "executor/ring.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_exchange.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace joblib_mpi {

// What a worker and its executor say to each other.
namespace executor_message {

/// From the worker. The objects were shared before.
struct RunTask {
  std::uint64_t number;  ///< of all tasks that this rank's executors have got, from 1
  TaskId task;
  std::vector<ObjectId> objects;
  Payload arguments;
  TaskLimits limits;  ///< those that the executor keeps itself: of the result
  CallId call;
  std::uint64_t index;  ///< of the task in its call
};
/// Where the results of the tasks that follow go, if they spill.
struct SpillInto {
  std::shared_ptr<const SpillPlace> place;
};
struct ShareObject {
  ObjectId object;
  std::shared_ptr<const Payload> value;
};
struct ForgetObject {
  ObjectId object;
};
/// There will never be another task.
struct Close {};

/// From the executor.
struct TaskDone {
  ExecutedTask task;
};

}  // namespace executor_message

using ExecutorMessage =
    std::variant<executor_message::RunTask, executor_message::SpillInto, executor_message::ShareObject,
                 executor_message::ForgetObject, executor_message::Close, executor_message::TaskDone>;

/// One end of the connection of a worker with one executor process: small messages go through rings in shared memory,
/// large arrays stay in segments, whose descriptors go through a socket. A head is copied into the ring and out of it.
class MessageChannel {
 public:
  struct Ends {
    Ring& out;
    Ring& in;
    WakeFlag& other;  ///< wakes the other side
  };
  enum class WhenFull {
    keep,  ///< what has no place waits here for `flush`: the worker
    wait,  ///< the caller waits: the executor
  };
  MessageChannel(SegmentPool& pool, Ends ends, Descriptor socket, WhenFull when_full);

  // The worker's. ShareObject and SpillInto do not wake the executor: a RunTask follows.
  void send_task(std::uint64_t number, const ExecutorTask& task);
  void send_spill_place(const SpillPlace& place);
  void send_object(ObjectId object, const Payload& value);
  void send_forget(ObjectId object);
  void send_close();
  // The executor's.
  void send_done(const ExecutedTask& task);
  /// Tells the other side which of its memory is not used here any more.
  void send_returned();

  /// See SegmentExchange.
  [[nodiscard]] std::optional<SharedBytes> copy_on_write(ByteView bytes) const {
    return exchange_.copy_on_write(bytes);
  }

  /// Sends what waits, as far as there is room now.
  void flush();

  /// The oldest message that has arrived, if any. Throws SerializationError if it is none, std::system_error if it
  /// needs memory that this process cannot map.
  [[nodiscard]] std::optional<ExecutorMessage> receive();

 private:
  enum class Kind : std::uint8_t {
    run_task,
    spill_into,
    share_object,
    forget_object,
    close,
    task_done,
    // What the two ends settle between themselves: a segment that comes through the socket, one that is not needed any
    // more, memory that is not used any more, and a message too large for the ring.
    hand_over,
    unmap,
    end_loans,
    indirect,
  };
  struct Header;
  struct Waiting {
    Bytes message;
    std::shared_ptr<const Segment> segment;  // to go through the socket before, if any
  };

  void send(Header header, std::span<const std::uint64_t> numbers, const Payload& payload, Access access);
  void send_parts(Header header, std::span<const std::uint64_t> numbers, std::span<const PartReference> parts,
                  ByteView head, std::shared_ptr<const Segment> segment = nullptr);
  /// Room in the ring, after waiting if this side waits; none if what is sent has to wait.
  [[nodiscard]] std::span<std::byte> room_for(std::size_t bytes);
  void hand_over(const std::vector<SegmentExchange::Handover>& handovers);
  /// True if the message was for the ends themselves.
  bool settle(const Header& header, PayloadReader& reader);
  [[nodiscard]] ExecutorMessage decode(ByteView message);

  Ends ends_;
  Descriptor socket_;
  const WhenFull when_full_;
  SegmentPool* pool_;
  SegmentExchange exchange_;
  std::deque<Waiting> waiting_;
};

}  // namespace joblib_mpi
