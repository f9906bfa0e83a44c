#pragma once

#include "client/borrowed_memory.hpp"
#include "client/lent_memory.hpp"
#include "core/frame.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace joblib_mpi {

// Frames on a stream of bytes, some of whose parts may be lent in place of sending their bytes, see LentMemory. A frame
// that has messages has a number, from 1 on; each frame tells which of the other direction have arrived. Frames that
// have not are kept, so that both ends can go on over another connection once one is cut: none is lost, and none comes
// twice. The frames themselves move no bytes: see FrameLink.

/// The beginning of each frame. Numbers of 8 bytes follow: the sizes of its parts, with `lent_part` added to those
/// that are lent, the places of the lent ones in their files, and the loans that are returned. Then come the body and
/// the parts that are not lent. The files come as descriptors with the first byte of the frame.
struct FrameHead {
  std::uint64_t number;        ///< 0 in a frame that only acknowledges
  std::uint64_t acknowledged;  ///< the number of the last frame that the sender has received whole
  std::uint64_t body_bytes;
  std::uint64_t parts;
  std::uint64_t lent = 0;      ///< the number of parts that are lent
  std::uint64_t returned = 0;  ///< the number of loans that are returned
};
inline constexpr std::uint64_t lent_part = std::uint64_t{1} << 63;

/// Takes frames out of the bytes of one connection, whichever pieces they come in.
class FrameReceiver {
 public:
  /// Takes no lent parts if `borrowed` is null. If `pool` is not, the parts of a large frame arrive in one block of its
  /// memory for the node, in the places of payload_block.hpp. Both must outlive this object.
  explicit FrameReceiver(BorrowedMemory* borrowed = nullptr, SegmentPool* pool = nullptr)
      : borrowed_(borrowed), pool_(pool) {}
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

  /// Returns the descriptors that have come with the bytes, to which others are added before `filled` is called.
  [[nodiscard]] std::vector<Descriptor>& descriptors() noexcept { return descriptors_; }

  /// A frame with its head.
  struct Received {
    FrameHead head;
    Frame frame;
    std::vector<std::uint64_t> returned;  ///< loans that the other end has returned
  };
  /// Returns the next frame that is whole. Throws SerializationError if the bytes are no frame, and std::bad_alloc if
  /// there is no memory for it: the connection must be given up.
  [[nodiscard]] std::optional<Received> next();

 private:
  enum class Stage : std::uint8_t { head, numbers, body, part };

  /// Moves what is buffered to where it belongs; returns whether the bytes of this stage are complete.
  bool complete_stage();
  /// Lets the next bytes go to `target`.
  void begin(Stage stage, std::span<std::byte> target) noexcept {
    stage_ = stage;
    target_ = target;
  }
  void begin_numbers();
  void begin_piece(Stage stage, std::uint64_t bytes);
  /// Returns whether the piece is whole; makes room for more of it otherwise.
  bool piece_is_whole();
  /// Allocates the memory for all parts of a large frame.
  void allocate_block();
  /// Adds the part that has arrived to the frame.
  void take_part();
  void begin_part_or_head();
  /// Adds the next part of the frame, which is lent.
  void borrow_part(std::uint64_t bytes);
  [[nodiscard]] Received whole_frame();

  static constexpr std::size_t buffer_bytes = 64 * 1024;
  Bytes buffer_ = Bytes(buffer_bytes);
  std::size_t begin_ = 0;  // of what is buffered
  std::size_t end_ = 0;
  bool is_direct_ = false;  // whether `space` was that of the target

  Stage stage_ = Stage::head;
  std::array<std::byte, sizeof(FrameHead)> head_bytes_{};
  std::span<std::byte> target_ = head_bytes_;
  FrameHead head_{};
  std::vector<std::uint64_t> numbers_;
  std::size_t borrowed_parts_ = 0;  // of this frame
  BorrowedMemory* borrowed_;
  std::vector<Descriptor> descriptors_;
  Bytes piece_;  // the body or a part, as much of it as there is memory for yet
  std::uint64_t piece_bytes_ = 0;
  SegmentPool* pool_;
  ReceiveMemory::Block block_ = {};  // of the parts of this frame; empty if each is allocated alone
  std::size_t in_block_ = 0;         // where the next part begins there
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
  /// Tells the other end, at once, which loans have ended.
  void give_back(std::vector<std::uint64_t> loans);
  /// Begins again on a new connection, whose other end has received all frames up to `number`. Lends no parts if
  /// `lent` is null, which must outlive the connection otherwise. Throws SerializationError if it cannot go on from
  /// there.
  void restart(std::uint64_t number, LentMemory* lent = nullptr);

  /// Returns the bytes that are to be written next, in pieces; empty if there are none.
  [[nodiscard]] std::span<iovec> pieces();
  /// Returns the descriptors that are to go with the first of the bytes which `pieces` has returned.
  [[nodiscard]] std::span<const int> descriptors() const noexcept { return descriptors_; }
  /// Takes note that the first `bytes` of `pieces()` have been written.
  void written(std::size_t bytes);

  /// Returns whether a frame, or a part of one, has not been written yet.
  [[nodiscard]] bool has_more() const noexcept {
    return !pieces_.empty() || acknowledge_at_once_ || !returned_.empty() || next_ < frames_.size();
  }
  /// Returns the bytes of the frames that have not arrived.
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept { return bytes_; }

 private:
  struct Numbered {
    std::uint64_t number;
    std::size_t bytes;
    Frame frame;
    std::size_t lent = 0;
  };

  void begin_frame();
  /// Adds a frame to what is written next. Lends those of its parts that can be lent.
  void add_frame(Numbered& numbered);
  [[nodiscard]] bool may_lend() const noexcept;
  void forget_up_to(std::uint64_t number);

  std::deque<Numbered> frames_;  // those that have not arrived
  std::size_t next_ = 0;         // the first of them that has not been begun on this connection
  std::uint64_t sent_ = 0;       // the number of the last frame
  std::uint64_t written_ = 0;    // the number of the last frame that is whole on this connection
  std::size_t bytes_ = 0;

  std::uint64_t acknowledged_ = 0;  // what this end has received
  bool acknowledge_at_once_ = false;

  LentMemory* lent_ = nullptr;
  std::size_t lent_under_way_ = 0;  // the parts that are lent in frames which have not arrived
  std::vector<std::uint64_t> returned_;

  // The frame that is being written, in pieces, which are empty if there is none.
  FrameHead head_{};
  std::vector<std::uint64_t> numbers_;
  std::vector<iovec> pieces_;
  std::size_t first_piece_ = 0;
  std::vector<int> descriptors_;
  std::vector<std::shared_ptr<const void>> keepers_;  // of the descriptors
};

}  // namespace joblib_mpi
