#pragma once

#include "core/frame.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace joblib_mpi {

// Frames on a stream of bytes. A frame that has messages has a number, from 1 on; each frame tells which of the other
// direction have arrived. Frames that have not are kept, so that both ends can go on over another connection once one
// is cut: none is lost, and none comes twice. The frames themselves move no bytes: see FrameLink.

/// What stands before each frame. The sizes of its parts follow, 8 bytes each, then the body and the parts.
struct FrameHead {
  std::uint64_t number;        ///< 0 in a frame that only acknowledges
  std::uint64_t acknowledged;  ///< the number of the last frame that the sender has received whole
  std::uint64_t body_bytes;
  std::uint64_t parts;
};

/// Takes frames out of the bytes of one connection, whichever pieces they come in.
class FrameReceiver {
 public:
  FrameReceiver() = default;
  FrameReceiver(const FrameReceiver&) = delete;
  FrameReceiver& operator=(const FrameReceiver&) = delete;

  /// A frame's limits: far more than what a call needs, so that what breaks them is no frame.
  static constexpr std::uint64_t most_body_bytes = std::uint64_t{1} << 32;
  static constexpr std::uint64_t most_parts = std::uint64_t{1} << 20;
  static constexpr std::uint64_t most_part_bytes = std::uint64_t{1} << 48;

  /// Returns the memory for the next bytes, which is not empty. Large parts are read to where they stay. `next` must
  /// have returned nothing before.
  [[nodiscard]] std::span<std::byte> space();
  /// Takes note that the first `bytes` of `space()` have been filled.
  void filled(std::size_t bytes);

  /// A frame with its head.
  struct Received {
    FrameHead head;
    Frame frame;
  };
  /// Returns the next frame that is whole. Throws SerializationError if the bytes are no frame, and std::bad_alloc if
  /// there is no memory for it: the connection must be given up.
  [[nodiscard]] std::optional<Received> next();

 private:
  enum class Stage : std::uint8_t { head, sizes, body, part };

  /// Moves what is buffered to where it belongs; returns whether the bytes of this stage are complete.
  bool complete_stage();
  /// Lets the next bytes go to `target`.
  void begin(Stage stage, std::span<std::byte> target) noexcept {
    stage_ = stage;
    target_ = target;
  }
  void begin_sizes();
  void begin_piece(Stage stage, std::uint64_t bytes);
  /// Returns whether the piece is whole; makes room for more of it otherwise.
  bool piece_is_whole();
  void begin_part_or_head();

  static constexpr std::size_t buffer_bytes = 64 * 1024;
  Bytes buffer_ = Bytes(buffer_bytes);
  std::size_t begin_ = 0;  // of what is buffered
  std::size_t end_ = 0;
  bool is_direct_ = false;  // whether `space` was that of the target

  Stage stage_ = Stage::head;
  std::array<std::byte, sizeof(FrameHead)> head_bytes_{};
  std::span<std::byte> target_ = head_bytes_;
  FrameHead head_{};
  std::vector<std::uint64_t> sizes_;
  Bytes piece_;  // the body or a part, as much of it as there is memory for yet
  std::uint64_t piece_bytes_ = 0;
  Frame frame_;
};

/// Numbers the frames that go out and keeps them until they have arrived.
class FrameSender {
 public:
  FrameSender() = default;
  FrameSender(const FrameSender&) = delete;
  FrameSender& operator=(const FrameSender&) = delete;

  /// Queues a frame, which must not be empty.
  void send(Frame frame);
  /// Tells the other end that all frames up to `number` have arrived, with the next frame or, if `at_once`, with one
  /// that has nothing else.
  void acknowledge(std::uint64_t number, bool at_once) noexcept;
  /// Takes note that all frames up to `number` have arrived at the other end. Throws SerializationError if so many were
  /// not sent.
  void arrived(std::uint64_t number);
  /// Begins again on a new connection, whose other end has received all frames up to `number`. Throws
  /// SerializationError if it cannot go on from there.
  void restart(std::uint64_t number);

  /// Returns the bytes that are to be written next, in pieces; empty if there are none.
  [[nodiscard]] std::span<iovec> pieces();
  /// Takes note that the first `bytes` of `pieces()` have been written.
  void written(std::size_t bytes);

  /// Returns whether a frame, or a part of one, has not been written yet.
  [[nodiscard]] bool has_more() const noexcept {
    return !pieces_.empty() || acknowledge_at_once_ || next_ < frames_.size();
  }
  /// Returns the bytes of the frames that have not arrived.
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept { return bytes_; }

 private:
  struct Numbered {
    std::uint64_t number;
    std::size_t bytes;
    Frame frame;
  };

  void begin_frame();
  void forget_up_to(std::uint64_t number);

  std::deque<Numbered> frames_;  // those that have not arrived
  std::size_t next_ = 0;         // the first of them that has not been begun on this connection
  std::uint64_t sent_ = 0;       // the number of the last frame
  std::uint64_t written_ = 0;    // the number of the last frame that is whole on this connection
  std::size_t bytes_ = 0;

  std::uint64_t acknowledged_ = 0;  // what this end has received
  bool acknowledge_at_once_ = false;

  // The frame that is being written, its head and sizes, and its pieces, which are empty if there is none.
  std::uint64_t writing_ = 0;
  std::vector<std::byte> head_;
  std::vector<iovec> pieces_;
  std::size_t first_piece_ = 0;
};

}  // namespace joblib_mpi
