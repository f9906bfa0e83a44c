#pragma once

#include "client/client_messages.hpp"
#include "core/frame.hpp"

#include <cstddef>

namespace joblib_mpi {

/// This file turns what clients and rank 0 tell each other into bytes, as wire_format.hpp does for ranks. Client and
/// rank 0 are of one version on one architecture (greeting.hpp), so numbers travel as they are in memory.

/// Appends the message to the frame. Large arrays become parts of the frame and are not copied.
void append(Frame& frame, const to_rank0::StartCall& message);
void append(Frame& frame, to_rank0::SubmitTask&& message);
void append(Frame& frame, const to_rank0::StopStarting& message);
void append(Frame& frame, const to_rank0::EndCall& message);
void append(Frame& frame, to_rank0::ShareObject&& message);
void append(Frame& frame, to_rank0::ShareBlock&& message);
void append(Frame& frame, const to_rank0::DropObject& message);
void append(Frame& frame, const to_rank0::Ask& message);
void append(Frame& frame, const to_rank0::CompareFile& message);
void append(Frame& frame, const to_rank0::Goodbye& message);
void append(Frame& frame, const to_client::CallStarted& message);
void append(Frame& frame, to_client::TaskFinished&& message);
void append(Frame& frame, const to_client::Answer& message);
void append(Frame& frame, const to_client::FileRefusals& message);
void append(Frame& frame, const to_client::SessionEnded& message);

/// Takes the messages out of a frame, first to last. Throws SerializationError if the bytes are no message.
class ClientFrameReader {
 public:
  /// `frame` must outlive the reader. Payloads share its parts.
  explicit ClientFrameReader(const Frame& frame) : reader_(frame.body, frame.parts) {}

  [[nodiscard]] bool at_end() const noexcept { return reader_.remaining_bytes() == 0; }
  [[nodiscard]] MessageToRank0 next_to_rank0();
  [[nodiscard]] MessageToClient next_to_client();

 private:
  PayloadReader reader_;
};

}  // namespace joblib_mpi
