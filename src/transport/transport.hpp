#pragma once

#include "core/frame.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace joblib_mpi {

/// A frame and the rank that has sent it.
struct ArrivedFrame {
  int source;
  FrameView frame;
};

/// Exchanges frames between ranks, and broadcasts memory from rank 0 to all nodes.
///
/// All functions are non-blocking: sends and broadcasts progress in the background whenever `receive` or `progress` is
/// called. One thread at a time may use a transport (with MPI, a thread that MPI allows). Frames between two ranks
/// arrive in the order in which they were sent. After the loss of a rank, frames to it are dropped, and no function
/// waits for it.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  /// Returns the rank of this process.
  [[nodiscard]] virtual int rank() const noexcept = 0;
  /// Returns the number of ranks, including lost ones.
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// Takes over the content of the frame and returns at once. `frame` is left empty; its memory may be reused.
  virtual void send(int destination, Frame& frame) = 0;

  /// Returns the next frame that has arrived completely, if any. It is valid until the next call of any function of the
  /// transport. If this rank has no memory for its parts, the frame says so, and its parts are lost.
  [[nodiscard]] virtual std::optional<ArrivedFrame> receive() = 0;

  /// Queues a broadcast of rank 0's `memory` into the `memory` of every other node head. Every node head must queue
  /// equal broadcasts, with equal sizes, in the same order; other ranks must queue none. `owner` keeps `memory` alive
  /// as long as it is needed; on rank 0 the memory is only read and must not change. Returns the value that
  /// `broadcasts_done` reaches when this broadcast is complete.
  [[nodiscard]] virtual std::size_t broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) = 0;
  /// Queues a broadcast on a node head that does not want its `bytes` bytes, which are discarded. Returns what
  /// `broadcast` returns.
  [[nodiscard]] virtual std::size_t skip_broadcast(std::size_t bytes) = 0;
  /// Returns how many of all queued broadcasts are complete on this rank; they complete in order.
  [[nodiscard]] virtual std::size_t broadcasts_done() const noexcept = 0;
  /// Abandons the incomplete broadcasts, because a rank that takes part is gone, and allows no further ones. All
  /// remaining ranks must call it. The memory of a broadcast is freed only after MPI has released it, or never.
  virtual void end_broadcasts() = 0;

  /// Returns the ranks that have sent or taken a piece of a long message since the previous call. They are alive,
  /// although other messages from them have to wait until the long one is complete.
  [[nodiscard]] virtual std::vector<int> take_heard_ranks() = 0;

  /// Returns the ranks that the transport has found dead since the previous call.
  [[nodiscard]] virtual std::vector<int> take_lost_ranks() = 0;
  /// Returns whether `take_lost_ranks` reports every death, so that a frame to a silent rank does no harm.
  [[nodiscard]] virtual bool tells_of_dead_ranks() const noexcept = 0;
  /// Treats `rank` as dead, whether it is or not: messages from it and to it are dropped.
  virtual void give_up(int rank) = 0;

  /// Advances sends and broadcasts, as `receive` does.
  virtual void progress() = 0;
  /// Returns whether no message is under way from or to this rank, as far as it knows.
  [[nodiscard]] virtual bool quiet() const noexcept = 0;
};

}  // namespace joblib_mpi
