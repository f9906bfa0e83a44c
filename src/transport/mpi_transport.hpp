#pragma once

#include "core/receive_memory.hpp"
#include "transport/mpi_broadcasts.hpp"
#include "transport/mpi_incoming.hpp"
#include "transport/mpi_message.hpp"
#include "transport/mpi_peers.hpp"
#include "transport/mpi_sends.hpp"
#include "transport/transport.hpp"

#include <mpi.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace joblib_mpi {

/// Sends frames as MPI point-to-point messages, and makes broadcasts.
///
/// A frame is one eager message: a header, the sizes of its parts and its body. A body that does not fit follows as a
/// separate message, then each part does, straight from its owner's memory into memory of the receiver. Receives for
/// eager messages are posted ahead, in a ring; MPI matches them in the order of posting, so that polling the oldest one
/// sees all frames in order.
///
/// The rest of an eager message travels in pieces, of which a receiver takes one in a turn, so that no call takes as
/// long as a message of gigabytes.
///
/// If MPI reports dead ranks, `take_lost_ranks` does too, and no function throws because a rank is dead. If not,
/// operations with a dead rank stay pending until `give_up`, which abandons them and never frees their memory.
class MpiTransport final : public Transport {
 public:
  /// The size of the pieces of long messages in bytes.
  static constexpr std::size_t default_piece_bytes = std::size_t{16} << 20;

  /// Posts the receives. Collective. `communicator` must return errors, be used for nothing else and outlive the
  /// transport; if `lost_ranks` returns any at the end, it must never be freed. `node_heads`, which is taken over, has
  /// rank 0 as its first rank and holds the ranks that take part in broadcasts; it is MPI_COMM_NULL on other ranks.
  /// Rank 0's `broadcast_chunk_bytes` and `piece_bytes` count. Parts arrive in memory from `memory`, which must outlive
  /// the transport.
  MpiTransport(MPI_Comm communicator, MPI_Comm node_heads, std::size_t broadcast_chunk_bytes, ReceiveMemory& memory,
               std::size_t piece_bytes = default_piece_bytes);
  /// Makes a transport in which all ranks are node heads and parts arrive on the heap. Collective.
  MpiTransport(MPI_Comm communicator, std::size_t broadcast_chunk_bytes);
  /// Cancels the posted receives and waits for pending sends. After a loss it abandons all of them and waits for
  /// nothing.
  ~MpiTransport() override;

  /// Notifies `flag` whenever `rank` is to look at MPI. It must outlive the transport.
  void wake_with(int rank, WakeFlag& flag) { peers_.wake_with(rank, flag); }

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  void send(int destination, Frame& frame) override;
  [[nodiscard]] std::optional<ArrivedFrame> receive() override;
  [[nodiscard]] std::size_t broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::size_t skip_broadcast(std::size_t bytes) override;
  [[nodiscard]] std::size_t broadcasts_done() const noexcept override { return broadcasts_.done(); }
  void end_broadcasts() override { broadcasts_.end(); }
  [[nodiscard]] std::vector<int> take_heard_ranks() override { return peers_.take_heard(); }
  [[nodiscard]] std::vector<int> take_lost_ranks() override;
  [[nodiscard]] bool tells_of_dead_ranks() const noexcept override { return mpi_tells_; }
  void give_up(int rank) override;
  void progress() override;
  [[nodiscard]] bool quiet() const noexcept override;
  /// Returns all ranks that this rank has found dead or given up.
  [[nodiscard]] std::vector<int> lost_ranks() const { return peers_.lost(); }

 private:
  struct PostedReceive {
    std::unique_ptr<EagerBuffer> buffer;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  void find_dead_ranks();
  /// Abandons all messages between `rank` and this rank.
  void abandon(int rank);
  void post(PostedReceive& receive);
  [[nodiscard]] std::optional<ArrivedFrame> take_eager();

  MPI_Comm communicator_;
  int rank_;
  int size_;
  const bool mpi_tells_;
  std::vector<int> newly_dead_;  // found by MPI and not yet taken

  MpiPeers peers_;
  MpiSends sends_;
  MpiIncoming incoming_;
  MpiBroadcasts broadcasts_;

  std::vector<PostedReceive> ring_;
  std::size_t oldest_ = 0;           // index in ring_ of the receive that completes next
  PostedReceive* viewed_ = nullptr;  // the receive whose buffer the last receive() returned a view of
  std::vector<SharedBytes> no_parts_;
};

}  // namespace joblib_mpi
