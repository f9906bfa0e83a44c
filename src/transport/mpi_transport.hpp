#pragma once

#include "transport/transport.hpp"

#include <mpi.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// Frames over MPI point-to-point messages, broadcasts over MPI_Ibcast.
///
/// A frame is one eager message: a header, the sizes of its parts and its body. A body too large for it follows as a
/// message of its own, then the parts do, each straight from its owner's memory into fresh memory of the receiver.
/// Receives for eager messages are posted ahead, in a ring; MPI matches them in the order of posting, so looking at the
/// oldest alone sees all frames in order.
class MpiTransport final : public Transport {
 public:
  /// Collective. `communicator` must be used for nothing else and stay until this is destroyed. Rank 0's
  /// `broadcast_chunk_bytes` counts: the pieces of a broadcast must be the same everywhere.
  MpiTransport(MPI_Comm communicator, std::size_t broadcast_chunk_bytes);
  /// Takes the posted receives back. Waits for sends that are under way, so their receivers must be alive.
  ~MpiTransport() override;

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int size() const noexcept override { return size_; }
  void send(int destination, Frame& frame) override;
  [[nodiscard]] std::optional<ArrivedFrame> receive() override;
  [[nodiscard]] std::size_t broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) override;
  [[nodiscard]] std::size_t broadcasts_done() const noexcept override { return broadcasts_done_; }
  void end_broadcasts() override {}
  [[nodiscard]] std::vector<int> take_lost_ranks() override { return {}; }
  void give_up(int) override {}
  void progress() override;
  [[nodiscard]] bool quiet() const noexcept override;

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
    std::unique_ptr<EagerBuffer> buffer;
    MPI_Request request;
  };
  /// A message from where its bytes are, until MPI has taken them.
  struct LargeSend {
    SharedBytes bytes;
    MPI_Request request;
  };
  /// A frame of which parts are still to come, or that has to wait for one.
  struct IncomingFrame {
    Header header{};
    Bytes sizes_and_body;
    std::vector<SharedBytes> parts;
    std::vector<MPI_Request> requests;
    enum class Stage { waiting, receiving_body, receiving_parts } stage = Stage::waiting;

    [[nodiscard]] FrameView view() const;
  };

  void post(PostedReceive& receive);
  void send_large(int destination, SharedBytes bytes);
  void reap_sends();
  void advance_broadcasts();

  [[nodiscard]] std::optional<ArrivedFrame> take_eager();
  [[nodiscard]] std::optional<ArrivedFrame> take_completed();
  void keep(int source, const Header& header, ByteView rest);
  /// Moves the frame on; true if it is whole.
  bool advance(int source, IncomingFrame& frame);
  void receive_parts(int source, IncomingFrame& frame);

  MPI_Comm communicator_;
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

  struct BroadcastInProgress {
    std::span<std::byte> memory;
    std::shared_ptr<const void> owner;
    std::size_t posted_bytes = 0;
    std::deque<MPI_Request> chunks;
  };
  std::size_t broadcast_chunk_bytes_;
  std::deque<BroadcastInProgress> broadcasts_;
  std::size_t broadcasts_queued_ = 0;
  std::size_t broadcasts_done_ = 0;
};

}  // namespace joblib_mpi
