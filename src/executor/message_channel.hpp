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

// The messages between a worker and its executor.
namespace executor_message {

/// Sent by the worker, after the objects were shared.
struct RunTask {
  std::uint64_t number;  ///< The number of the task among all that this rank's executors have been given, from 1.
  TaskId task;
  std::vector<ObjectId> objects;
  Payload arguments;
  TaskLimits limits;  ///< The limits that the executor itself enforces, which are those of the result.
  CallId call;
  std::uint64_t index;  ///< The index of the task in its call.
};
/// Tells where the results of the following tasks go, if they spill; also answers SpillFolderWanted.
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
/// Tells that no more tasks follow.
struct Close {};

/// Sent by the executor.
struct TaskDone {
  ExecutedTask task;
};

/// Tells that the result of the running task waits for its folder, which SpillInto names.
struct SpillFolderWanted {};

}  // namespace executor_message

using ExecutorMessage =
    std::variant<executor_message::RunTask, executor_message::SpillInto, executor_message::ShareObject,
                 executor_message::ForgetObject, executor_message::Close, executor_message::TaskDone,
                 executor_message::SpillFolderWanted>;

/// One end of the connection of a worker with one executor process: small messages go through rings in shared memory;
/// large arrays and long heads stay in segments, whose descriptors go through a socket. Any other head is copied into
/// the ring and out of it.
class MessageChannel {
 public:
  struct Ends {
    Ring& out;
    Ring& in;
    WakeFlag& other;  ///< Wakes the other side.
  };
  enum class WhenFull {
    keep,  ///< Messages without room wait here for `flush`; used by the worker.
    wait,  ///< The caller waits for room; used by the executor.
  };
  MessageChannel(SegmentPool& pool, Ends ends, Descriptor socket, WhenFull when_full);

  // The worker calls these. ShareObject and SpillInto do not wake the executor, because in general a RunTask follows.
  void send_task(std::uint64_t number, const ExecutorTask& task);
  void send_spill_place(const SpillPlace& place);
  void send_object(ObjectId object, const Payload& value);
  void send_forget(ObjectId object);
  void send_close();
  // The executor calls these.
  void send_done(const ExecutedTask& task);
  void send_spill_folder_wanted();
  /// Tells the other side which of its memory is no longer used here.
  void send_returned();

  /// Maps the bytes as SegmentExchange::copy_on_write does.
  [[nodiscard]] std::optional<SharedBytes> copy_on_write(ByteView bytes) const {
    return exchange_.copy_on_write(bytes);
  }

  /// Closes this end's socket, in a child of the process that uses the channel. Async-signal-safe.
  void close_socket() noexcept { socket_.close(); }

  /// Sends waiting messages, as far as there is room now.
  void flush();

  /// Returns the oldest message that has arrived, if any. Throws SerializationError if the bytes are not a message, and
  /// std::system_error if the message needs memory that this process cannot map.
  [[nodiscard]] std::optional<ExecutorMessage> receive();

 private:
  enum class Kind : std::uint8_t {
    run_task,
    spill_into,
    share_object,
    forget_object,
    close,
    task_done,
    spill_folder_wanted,
    // These messages are between the two ends: a segment that comes through the socket, one that is no longer needed,
    // memory that is no longer used, and a message too large for the ring.
    hand_over,
    unmap,
    end_loans,
    indirect,
  };
  struct Header;
  struct Waiting {
    Bytes message;
    std::shared_ptr<const Segment> segment;  // to be sent through the socket first, if any
  };

  void send(Header header, std::span<const std::uint64_t> numbers, const Payload& payload, Access access);
  void send_parts(Header header, std::span<const std::uint64_t> numbers, std::span<const PartReference> parts,
                  ByteView head, std::shared_ptr<const Segment> segment = nullptr);
  /// Returns space in the ring, after waiting if this side waits; an empty span if the message has to wait here.
  [[nodiscard]] std::span<std::byte> room_for(std::size_t bytes);
  /// Sends the descriptor of a segment through the socket; returns false if that has to wait. If the socket is closed
  /// this side throws SerializationError: the executor at once, the worker from `receive`.
  [[nodiscard]] bool send_descriptor(ByteView header, const Segment& segment);
  void hand_over(const std::vector<SegmentExchange::Handover>& handovers);
  /// Handles a message that is between the two ends; returns false for any other.
  bool settle(const Header& header, PayloadReader& reader);
  [[nodiscard]] ExecutorMessage decode(ByteView message);

  Ends ends_;
  Descriptor socket_;
  const WhenFull when_full_;
  SegmentPool* pool_;
  SegmentExchange exchange_;
  std::deque<Waiting> waiting_;
  bool socket_is_closed_ = false;
};

}  // namespace joblib_mpi
