#pragma once

#include "core/receive_memory.hpp"
#include "transport/mpi_broadcasts.hpp"
#include "transport/transport.hpp"

#include <mpi.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// Frames over MPI point-to-point messages, and broadcasts.
///
/// A frame is one eager message: a header, the sizes of its parts and its body. A body too large for it follows as a
/// message of its own, then the parts do, each straight from its owner's memory into memory of the receiver: all parts
/// of a frame into one block, each at a multiple of 64 bytes. Receives for eager messages are posted ahead, in a ring;
/// MPI matches them in the order of posting, so looking at the oldest alone sees all frames in order.
///
/// Where MPI tells of dead ranks, `take_lost_ranks` does, and nothing throws because a rank is dead. Elsewhere
/// operations with it stay pending until `give_up`, which leaves them and never frees their memory.
class MpiTransport final : public Transport {
 public:
  /// Collective. `communicator` must return errors, be used for nothing else and stay until this is destroyed; if
  /// `lost_ranks` has any then, for ever. `node_heads`, which is taken over, has rank 0 as its first and those that
  /// take part in broadcasts; it is MPI_COMM_NULL elsewhere. Rank 0's `broadcast_chunk_bytes` counts. `memory` is where
  /// parts arrive; it must outlive this.
  MpiTransport(MPI_Comm communicator, MPI_Comm node_heads, std::size_t broadcast_chunk_bytes, ReceiveMemory& memory);
  /// The same with all ranks as node heads and parts on the heap.
  MpiTransport(MPI_Comm communicator, std::size_t broadcast_chunk_bytes);
  /// Takes the posted receives back and waits for sends that are under way; after a loss it leaves all of them as they
  /// are and waits for nothing.
  ~MpiTransport() override;

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  void send(int destination, Frame& frame) override;
  [[nodiscard]] std::optional<ArrivedFrame> receive() override;
  [[nodiscard]] std::size_t broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::size_t skip_broadcast(std::size_t bytes) override;
  [[nodiscard]] std::size_t broadcasts_done() const noexcept override { return broadcasts_.done(); }
  void end_broadcasts() override { broadcasts_.end(); }
  [[nodiscard]] std::vector<int> take_lost_ranks() override;
  void give_up(int rank) override;
  void progress() override;
  [[nodiscard]] bool quiet() const noexcept override;
  /// All ranks that were found dead or given up, here.
  [[nodiscard]] std::vector<int> lost_ranks() const;

 private:
  /// With the transport's own header of some 30 bytes below Open MPI's eager limit for shared memory, 4096 bytes.
  static constexpr std::size_t eager_bytes = 4000;
  using EagerBuffer = std::array<std::byte, eager_bytes>;

  struct Header {
    std::uint64_t following_bytes;  // of a message that holds sizes and body, or 0 if they stand behind this header
    std::uint32_t body_bytes;
    std::uint32_t parts;
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
  /// A message from where its bytes are, until MPI has taken them.
  struct LargeSend {
    int destination;
    SharedBytes bytes;
    MPI_Request request;
  };
  /// A frame of which parts are still to come, or that has to wait for one.
  struct IncomingFrame {
    Header header{};
    std::shared_ptr<Bytes> sizes_and_body = std::make_shared<Bytes>();
    std::shared_ptr<const void> block;  // that the parts are in
    std::vector<SharedBytes> parts;
    std::vector<MPI_Request> requests;
    enum class Stage { waiting, receiving_body, receiving_parts } stage = Stage::waiting;

    [[nodiscard]] FrameView view() const;
  };

  enum class Outcome { pending, done, failed };
  /// Notes if MPI says that a rank is dead.
  [[nodiscard]] Outcome test(MPI_Request& request, MPI_Status* status = MPI_STATUS_IGNORE);
  /// The same for what starts or tests operations otherwise; false if `code` says that a rank is dead.
  bool check(int code, const char* operation);
  void find_lost_ranks();
  /// From now on there is nothing between `rank` and this one.
  void leave(int rank);
  [[nodiscard]] bool is_lost(int rank) const { return lost_[static_cast<std::size_t>(rank)]; }

  void post(PostedReceive& receive);
  void send_large(int destination, SharedBytes bytes);
  void reap_sends();

  [[nodiscard]] std::optional<ArrivedFrame> take_eager();
  [[nodiscard]] std::optional<ArrivedFrame> take_completed();
  void keep(int source, const Header& header, ByteView rest);
  /// Moves the frame on; true if it is whole.
  bool advance(int source, IncomingFrame& frame);
  void receive_parts(int source, IncomingFrame& frame);
  void receive_large(int source, IncomingFrame& frame, std::span<std::byte> memory);

  MPI_Comm communicator_;
  ReceiveMemory* memory_;
  int rank_;
  int size_;

  std::vector<PostedReceive> ring_;
  std::size_t oldest_ = 0;           // in ring_: the receive that completes next
  PostedReceive* viewed_ = nullptr;  // its buffer is what the last receive() views
  std::vector<SharedBytes> no_parts_;
  std::unordered_map<int, std::deque<IncomingFrame>> incoming_;  // by source, in order
  IncomingFrame current_;                                        // what the last receive() views otherwise

  std::vector<std::unique_ptr<EagerBuffer>> spare_buffers_;
  std::deque<EagerSend> eager_sends_;
  std::vector<LargeSend> large_sends_;

  MpiBroadcasts broadcasts_;

  const bool mpi_tells_;
  bool failure_seen_ = false;    // and not looked into yet
  std::vector<bool> lost_;       // by rank
  std::vector<int> newly_lost_;  // found by MPI and not yet taken
  bool any_lost_ = false;
};

}  // namespace joblib_mpi
