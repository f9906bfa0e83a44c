#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <mpi.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

namespace joblib_mpi {

/// The broadcasts of an MpiTransport, on a communicator of their own, so that they can be given up without harm to
/// anything else.
///
/// A chain: each rank passes a chunk on to the next while it receives others, so every link carries an array once in
/// each direction. MPI_Ibcast would have rank 0 send it once to each of up to three others (Open MPI 4.1 and 5).
class MpiBroadcasts {
 public:
  /// Collective over `communicator`, which is taken over. Its first rank's `chunk_bytes` counts: the pieces of a
  /// broadcast must be the same everywhere. With MPI_COMM_NULL there are no broadcasts.
  MpiBroadcasts(MPI_Comm communicator, std::size_t chunk_bytes);
  MpiBroadcasts(const MpiBroadcasts&) = delete;
  MpiBroadcasts& operator=(const MpiBroadcasts&) = delete;
  ~MpiBroadcasts();

  /// See Transport::broadcast. Not after `end`.
  [[nodiscard]] std::size_t start(std::span<std::byte> memory, std::shared_ptr<const void> owner);
  /// See Transport::skip_broadcast. Not after `end`.
  [[nodiscard]] std::size_t skip(std::size_t bytes);
  [[nodiscard]] std::size_t done() const noexcept { return done_; }
  /// See Transport::end_broadcasts.
  void end();

  void advance();
  /// Whether one that is under way cannot complete, because MPI has found a rank dead.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// Whether none is under way that may still complete.
  [[nodiscard]] bool quiet() const noexcept { return under_way_.empty() || broken_; }

 private:
  struct Chunk {
    std::byte* place;
    int bytes;
    enum class State { on_its_way, here, being_passed_on, done } state = State::here;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  struct Broadcast {
    std::byte* memory;  // null if all chunks go to the same place, which nobody reads
    std::size_t bytes;
    std::shared_ptr<const void> owner;
    std::size_t posted_bytes = 0;
    std::deque<Chunk> chunks = {};
  };

  /// False if it cannot complete.
  [[nodiscard]] bool advance(Broadcast& broadcast);
  [[nodiscard]] bool post_chunk(Broadcast& broadcast) const;
  [[nodiscard]] bool advance(Chunk& chunk) const;

  MPI_Comm communicator_;
  int rank_ = 0;
  int size_ = 1;
  std::size_t chunk_bytes_;
  std::deque<Broadcast> under_way_;
  std::shared_ptr<Bytes> unread_;  // where skipped broadcasts go
  std::size_t started_ = 0;
  std::size_t done_ = 0;
  bool broken_ = false;
  bool ended_ = false;
};

}  // namespace joblib_mpi
