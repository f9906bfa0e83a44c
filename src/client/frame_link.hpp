#pragma once

#include "client/borrowed_memory.hpp"
#include "client/frame_stream.hpp"
#include "client/lent_memory.hpp"
#include "client/link_heartbeat.hpp"
#include "core/frame.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace joblib_mpi {

/// The memory that one end of a connection has for large parts of frames.
struct LinkMemory {
  SegmentPool* lending = nullptr;        ///< Its memory can be lent; null: neither end lends anything.
  std::function<void()> on_return = {};  ///< Is called on any thread when there are loans to return.
  /// Has large parts that arrive, in memory for the node: all its processes can map them, and none can write to them.
  /// Null: they are this process's own.
  SegmentPool* arriving = nullptr;
};

/// Carries frames in order between a client and rank 0, over one connection after another. Not thread-safe.
class FrameLink {
 public:
  using Clock = std::chrono::steady_clock;

  /// Goes on over `socket`, a stream that does not block, whose other end has received all frames up to `received` and
  /// has the same heartbeat; 0 is none. Throws SerializationError if it cannot go on from there.
  void connect(Descriptor socket, std::uint64_t received, double heartbeat_seconds = 0, const LinkMemory& memory = {});
  /// Closes the connection for the reason that `why_gone` then returns.
  void end_connection(std::string why);
  [[nodiscard]] bool connected() const noexcept { return socket_.open(); }
  [[nodiscard]] const Descriptor& socket() const noexcept { return socket_; }
  /// Returns why the last connection is gone; empty if the other end has closed it.
  [[nodiscard]] const std::string& why_gone() const noexcept { return why_gone_; }

  /// Closes the connection in a child process that was forked, where it is the parent's.
  void abandon() noexcept { socket_.close(); }

  /// Queues a frame, which must not be empty.
  void send(Frame frame) { sender_.send(std::move(frame)); }
  /// Returns the next frame that has arrived. Bytes that are no frames end the connection.
  [[nodiscard]] std::optional<Frame> receive();

  /// Writes as much as the socket takes now. What fails ends the connection.
  void write();
  /// Reads what has come, as much as fits into memory at once; returns whether there was anything. To be called once
  /// `receive` returns nothing.
  bool read();
  /// Returns whether the last `read` has filled all memory that there was: another one may find more.
  [[nodiscard]] bool may_have_more() const noexcept { return has_filled_space_; }
  /// Lets an acknowledgement go out with the next `write` if the other end has waited for it, or has heard nothing for
  /// a quarter of the heartbeat, and returns what was borrowed and is not used any more. To be called after each look
  /// for what has come, several times in that quarter, and at the time that `next_attention` says, however much arrives
  /// until then.
  void attend(Clock::time_point now);
  /// Returns when `attend` has to acknowledge something even if nothing else arrives; `time_point::max()` if it has
  /// not.
  [[nodiscard]] Clock::time_point next_attention() const noexcept;
  /// Returns whether the other end had been silent for a whole heartbeat when `attend` was called last.
  [[nodiscard]] bool is_overdue() const noexcept { return connected() && heartbeat_.is_overdue(); }
  /// Gives the other end its time again.
  void excuse_silence() noexcept { heartbeat_.heard(); }

  /// Returns whether there is something to write.
  [[nodiscard]] bool has_more() const noexcept { return connected() && sender_.has_more(); }
  /// Returns the number of the last frame that has arrived.
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  /// Returns the bytes that the other end has not acknowledged.
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept { return sender_.unacknowledged_bytes(); }

 private:
  void acknowledge_now();

  Descriptor socket_;
  std::string why_gone_;
  // Of this connection:
  std::optional<LentMemory> lent_;
  std::optional<BorrowedMemory> borrowed_;
  std::optional<FrameReceiver> receiver_;
  LinkHeartbeat heartbeat_;
  bool has_filled_space_ = false;  // by the last read
  FrameSender sender_;
  std::uint64_t received_ = 0;
  std::uint64_t told_ = 0;  // the number that was acknowledged last
  std::size_t untold_bytes_ = 0;
  std::optional<Clock::time_point> owes_since_;  // when an attention first found something that was not acknowledged
};

}  // namespace joblib_mpi
