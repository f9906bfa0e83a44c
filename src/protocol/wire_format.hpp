#pragma once

#include "core/frame.hpp"
#include "protocol/messages.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace joblib_mpi {

/// This file turns messages into bytes. All ranks run one program on one architecture (checked at start), so numbers
/// travel as they are in memory.
///
/// Each message is its kind (its index in the variant, one byte) followed by its fields. A payload says whether its
/// head is long, and is the size of its head, its head and the number of its parts; a long head and the parts are added
/// to the frame's parts and are never copied.

/// Appends the message to the frame. The sender keeps what it needs to send the task again.
void append(Frame& frame, const to_worker::RunTask& message);
void append(Frame& frame, const to_worker::CancelCall& message);
void append(Frame& frame, const to_worker::ShareObject& message);
void append(Frame& frame, const to_worker::BroadcastsEnded& message);
void append(Frame& frame, const to_worker::ObjectContent& message);
void append(Frame& frame, const to_worker::DropObject& message);
void append(Frame& frame, const to_worker::Ping& message);
void append(Frame& frame, const to_worker::Stop& message);
void append(Frame& frame, const to_worker::SpillInto& message);
void append(Frame& frame, const to_worker::SpillFolderMade& message);
void append(Frame& frame, const to_worker::Rejoin& message);
void append(Frame& frame, const to_worker::TakeBack& message);
void append(Frame& frame, const to_worker::Begin& message);
void append(Frame& frame, const to_worker::CompareFile& message);
void append(Frame& frame, const to_coordinator::Hello& message);
void append(Frame& frame, to_coordinator::TaskFinished&& message);
void append(Frame& frame, const to_coordinator::ObjectsMissing& message);
void append(Frame& frame, const to_coordinator::Pong& message);
void append(Frame& frame, const to_coordinator::Stuck& message);
void append(Frame& frame, const to_coordinator::Broken& message);
void append(Frame& frame, const to_coordinator::Goodbye& message);
void append(Frame& frame, const to_coordinator::FileCompared& message);
void append(Frame& frame, const to_coordinator::SpillFolderWanted& message);
void append(Frame& frame, const to_coordinator::RoomLeft& message);
void append(Frame& frame, const to_coordinator::Returned& message);

/// Takes the messages out of a frame, first to last. Throws SerializationError if the bytes are not a message.
///
/// If this rank had no memory for the parts of the frame, messages to a worker that need them say so, and results that
/// need them end as `no_room`.
class FrameReader {
 public:
  explicit FrameReader(const FrameView& frame) : reader_(frame.body, frame.parts), no_room_(frame.no_room) {}

  [[nodiscard]] bool at_end() const noexcept { return reader_.remaining_bytes() == 0; }
  [[nodiscard]] MessageToWorker next_to_worker();
  [[nodiscard]] MessageToCoordinator next_to_coordinator();

 private:
  /// Returns the next payload; sets `no_room` if there was no memory for its parts.
  [[nodiscard]] Payload read_payload(std::string& no_room);

  PayloadReader reader_;
  std::string_view no_room_;
};

}  // namespace joblib_mpi
