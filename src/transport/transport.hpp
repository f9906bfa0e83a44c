#pragma once

#include "core/frame.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace joblib_mpi {

struct ArrivedFrame {
  int source;
  FrameView frame;
};

/// How ranks exchange frames, and how rank 0 reaches all of them at once.
///
/// Nothing here waits: sends and broadcasts go on in the background, whenever `receive` or `progress` is called. One
/// thread at a time may use a transport (with MPI, one that MPI allows). Between two ranks frames arrive in the order
/// in which they were sent. A rank may be gone: frames to it are lost, and nothing ever waits for it.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;

  /// Takes the frame's content over and returns at once. `frame` is left empty; its memory may be used again.
  virtual void send(int destination, Frame& frame) = 0;

  /// The next frame that has arrived whole, if any. What it views is valid until the next call of any function here.
  [[nodiscard]] virtual std::optional<ArrivedFrame> receive() = 0;

  /// Queues a broadcast of rank 0's `memory` into the `memory` of every other node head. Every node head must queue
  /// the same broadcasts, of the same sizes, in the same order; no other rank any. `owner` keeps `memory` alive for as
  /// long as it is needed; on rank 0 nobody may change it, and it is only read. Returns what `broadcasts_done` will
  /// have reached when it is done.
  [[nodiscard]] virtual std::size_t broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) = 0;
  /// The same on a node head that does not want the `bytes` bytes: they go nowhere.
  [[nodiscard]] virtual std::size_t skip_broadcast(std::size_t bytes) = 0;
  /// How many of all broadcasts queued so far are complete on this rank; they complete in their order.
  [[nodiscard]] virtual std::size_t broadcasts_done() const noexcept = 0;
  /// Leaves the broadcasts that are not complete, since a rank that takes part is gone, and allows no other ever after.
  /// Whoever is left must do the same. Their memory is not freed before MPI has let go of it, if ever.
  virtual void end_broadcasts() = 0;

  /// The ranks that the transport itself has found dead since it was last asked.
  [[nodiscard]] virtual std::vector<int> take_lost_ranks() = 0;
  /// Treats `rank` as dead, whether it is or not: what it sends is dropped, what is sent to it goes nowhere.
  virtual void give_up(int rank) = 0;

  /// Moves sends and broadcasts on. `receive` does it, too.
  virtual void progress() = 0;
  /// Whether nothing is under way from or to this rank, as far as it knows.
  [[nodiscard]] virtual bool quiet() const noexcept = 0;
};

}  // namespace joblib_mpi
