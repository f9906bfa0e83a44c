#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <mpi.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <span>

namespace joblib_mpi {

/// Makes the broadcasts of an MpiTransport, on a separate communicator, so that they can be abandoned without affecting
/// other messages.
///
/// The ranks form a chain: each passes a chunk on to the next while it receives further ones, so that every link
/// carries an array once in each direction. MPI_Ibcast would make rank 0 send the array to each of up to three other
/// ranks (Open MPI 4.1 and 5).
class MpiBroadcasts {
 public:
  /// Takes over `communicator`. Collective over it. The `chunk_bytes` of its first rank counts, since the chunks of a
  /// broadcast must have equal sizes on all ranks. With MPI_COMM_NULL there are no broadcasts.
  MpiBroadcasts(MPI_Comm communicator, std::size_t chunk_bytes);
  MpiBroadcasts(const MpiBroadcasts&) = delete;
  MpiBroadcasts& operator=(const MpiBroadcasts&) = delete;
  ~MpiBroadcasts();

  /// Does what Transport::broadcast does. Must not be called after `end`.
  [[nodiscard]] std::size_t start(std::span<std::byte> memory, std::shared_ptr<const void> owner);
  /// Does what Transport::skip_broadcast does. Must not be called after `end`.
  [[nodiscard]] std::size_t skip(std::size_t bytes);
  /// Returns how many broadcasts are complete on this rank.
  [[nodiscard]] std::size_t done() const noexcept { return done_; }
  /// Does what Transport::end_broadcasts does.
  void end();

  /// Moves the oldest broadcasts on as far as possible without waiting.
  void advance();
  /// Returns whether a broadcast cannot complete because MPI has found a rank dead, until `end`.
  [[nodiscard]] bool broken() const noexcept { return broken_ && !ended_; }
  /// Returns whether no broadcast is under way that may still complete.
  [[nodiscard]] bool quiet() const noexcept { return under_way_.empty() || broken_; }

 private:
  struct Chunk {
    std::byte* place;
    int bytes;
    enum class State { on_its_way, here, being_passed_on, done } state = State::here;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  struct Broadcast {
    std::byte* memory;  // null if all chunks go to one place, whose content is never read
    std::size_t bytes;
    std::shared_ptr<const void> owner;
    std::size_t posted_bytes = 0;
    std::deque<Chunk> chunks = {};
  };

  /// Moves a broadcast on. Returns false if it cannot complete.
  [[nodiscard]] bool advance(Broadcast& broadcast);
  [[nodiscard]] bool post_chunk(Broadcast& broadcast) const;
  [[nodiscard]] bool advance(Chunk& chunk) const;

  MPI_Comm communicator_;
  int rank_ = 0;
  int size_ = 1;
  std::size_t chunk_bytes_;
  std::deque<Broadcast> under_way_;
  std::shared_ptr<Bytes> unread_;  // the destination of skipped broadcasts
  std::size_t started_ = 0;
  std::size_t done_ = 0;
  bool broken_ = false;
  bool ended_ = false;
};

}  // namespace joblib_mpi
