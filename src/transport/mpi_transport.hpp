#pragma once

#include "core/receive_memory.hpp"
#include "transport/mpi_broadcasts.hpp"
#include "transport/transport.hpp"

#include <mpi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// Sends frames as MPI point-to-point messages, and makes broadcasts.
///
/// A frame is one eager message: a header, the sizes of its parts and its body. A body that does not fit follows as a
/// separate message, then each part does, straight from its owner's memory into memory of the receiver: all parts of a
/// frame into one block, each at a multiple of 64 bytes. Receives for eager messages are posted ahead, in a ring; MPI
/// matches them in the order of posting, so that polling the oldest one sees all frames in order.
///
/// What follows an eager message travels in pieces, of which a receiver takes one in a turn, so that no call takes as
/// long as a message of gigabytes. If there is no memory for the parts of a frame, its pieces are received and
/// forgotten.
///
/// Where MPI reports dead ranks, `take_lost_ranks` does too, and no function throws because a rank is dead. Elsewhere
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

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  void send(int destination, Frame& frame) override;
  [[nodiscard]] std::optional<ArrivedFrame> receive() override;
  [[nodiscard]] std::size_t broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::size_t skip_broadcast(std::size_t bytes) override;
  [[nodiscard]] std::size_t broadcasts_done() const noexcept override { return broadcasts_.done(); }
  void end_broadcasts() override { broadcasts_.end(); }
  [[nodiscard]] std::vector<int> take_heard_ranks() override;
  [[nodiscard]] std::vector<int> take_lost_ranks() override;
  [[nodiscard]] bool tells_of_dead_ranks() const noexcept override { return mpi_tells_; }
  void give_up(int rank) override;
  void progress() override;
  [[nodiscard]] bool quiet() const noexcept override;
  /// Returns all ranks that this rank has found dead or given up.
  [[nodiscard]] std::vector<int> lost_ranks() const;

 private:
  /// The size of an eager message in bytes: together with Open MPI's header of some 30 bytes it stays below Open MPI's
  /// eager limit for shared memory, 4096 bytes.
  static constexpr std::size_t eager_bytes = 4000;
  using EagerBuffer = std::array<std::byte, eager_bytes>;

  struct Header {
    std::uint64_t following_bytes;  // the size of a second message with sizes and body; 0 if they follow this header
    std::uint64_t parts;
  };
  struct PostedReceive {
    std::unique_ptr<EagerBuffer> buffer;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  struct EagerSend {
    int destination;
    std::unique_ptr<EagerBuffer> buffer;
    MPI_Request request;
  };
  /// A piece that MPI sends straight from where the bytes of its message lie; they are kept until MPI has taken it.
  struct LargeSend {
    int destination;
    SharedBytes bytes;
    std::size_t piece_bytes;
    MPI_Request request;
  };
  /// A piece that MPI is receiving.
  struct PostedPiece {
    std::size_t bytes;
    MPI_Request request;
  };
  /// A frame whose parts are still to come, or that has to wait for an earlier one.
  struct IncomingFrame {
    Header header{};
    std::shared_ptr<Bytes> sizes_and_body = std::make_shared<Bytes>();
    std::shared_ptr<const void> block;  // the memory of the parts
    std::vector<SharedBytes> parts;
    std::string no_room;                       // why there is no such memory
    std::deque<std::span<std::byte>> to_post;  // the pieces to receive after the posted ones
    std::deque<PostedPiece> posted;
    enum class Stage { waiting, receiving_body, receiving_parts } stage = Stage::waiting;

    [[nodiscard]] FrameView view() const;
  };

  enum class Outcome { pending, done, failed };
  /// Tests a pending operation. Notes if MPI reports that a rank is dead.
  [[nodiscard]] Outcome test(MPI_Request& request, MPI_Status* status = MPI_STATUS_IGNORE);
  /// Checks the return code of an operation. Returns false, and notes it, if the code means that a rank is dead; throws
  /// MpiError for other errors.
  bool check(int code, const char* operation);
  void find_lost_ranks();
  /// Abandons all messages between `rank` and this rank, and drops later ones.
  void leave(int rank);
  [[nodiscard]] bool is_lost(int rank) const { return lost_[static_cast<std::size_t>(rank)]; }

  void post(PostedReceive& receive);
  void send_large(int destination, SharedBytes bytes);
  void reap_sends();

  [[nodiscard]] std::optional<ArrivedFrame> take_eager();
  [[nodiscard]] std::optional<ArrivedFrame> take_completed();
  void keep(int source, const Header& header, ByteView rest);
  /// Moves the frame on by at most one piece. Returns true if it is complete.
  bool advance(int source, IncomingFrame& frame);
  void receive_parts(IncomingFrame& frame);
  /// Allocates the memory of parts of so many bytes, or notes why there is none.
  [[nodiscard]] ReceiveMemory::Block allocate(IncomingFrame& frame, std::size_t bytes);
  void receive_large(IncomingFrame& frame, std::span<std::byte> memory) const;
  /// Receives a message of so many bytes that nothing will read.
  void receive_unread(IncomingFrame& frame, std::size_t bytes);
  /// Posts the next pieces of a frame. Returns false if its source is dead.
  bool post_pieces(int source, IncomingFrame& frame);
  /// Notes that a piece has been taken by this rank or by the other one.
  void hear_of(int rank, std::size_t piece_bytes);

  MPI_Comm communicator_;
  ReceiveMemory* memory_;
  std::size_t piece_bytes_;
  std::shared_ptr<Bytes> unread_;  // the memory of all pieces that nothing will read
  int rank_;
  int size_;

  std::vector<PostedReceive> ring_;
  std::size_t oldest_ = 0;           // index in ring_ of the receive that completes next
  PostedReceive* viewed_ = nullptr;  // the receive whose buffer the last receive() returned a view of
  std::vector<SharedBytes> no_parts_;
  std::unordered_map<int, std::deque<IncomingFrame>> incoming_;  // by source, in order
  IncomingFrame current_;  // the frame that the last receive() returned a view of otherwise

  std::vector<std::unique_ptr<EagerBuffer>> spare_buffers_;
  std::deque<EagerSend> eager_sends_;
  unsigned reaps_ = 0;
  std::vector<LargeSend> large_sends_;
  std::vector<bool> busy_;  // by rank: the oldest large send is not done; used by reap_sends

  bool any_heard_ = false;
  std::vector<bool> heard_;  // by rank: since the last take_heard_ranks

  MpiBroadcasts broadcasts_;

  const bool mpi_tells_;
  bool failure_seen_ = false;    // and not examined yet
  std::vector<bool> lost_;       // by rank
  std::vector<int> newly_lost_;  // found by MPI and not yet taken
  bool any_lost_ = false;
};

}  // namespace joblib_mpi
