#pragma once

#include "core/receive_memory.hpp"
#include "transport/mpi_message.hpp"
#include "transport/mpi_peers.hpp"
#include "transport/transport.hpp"

#include <mpi.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// Holds the frames of an MpiTransport whose eager messages have arrived and that wait for what follows them, or for
/// an earlier frame of the same rank.
///
/// All parts of a frame go into one block of memory, each at a multiple of 64 bytes. If there is no memory for them,
/// their pieces are received and forgotten.
class MpiIncoming {
 public:
  /// `communicator`, `peers` and `memory` must outlive this object. The pieces have the size that they have for the
  /// sender.
  MpiIncoming(MPI_Comm communicator, MpiPeers& peers, ReceiveMemory& memory, std::size_t piece_bytes);

  [[nodiscard]] bool empty() const noexcept { return by_source_.empty(); }
  [[nodiscard]] bool contains(int source) const { return by_source_.contains(source); }
  /// Adds a frame. `rest` is what stood in its eager message after the header.
  void add(int source, const EagerHeader& header, ByteView rest);
  /// Moves the oldest frame of each rank on by at most one piece, until one is complete, and returns that one. The view
  /// is valid until the next call.
  [[nodiscard]] std::optional<ArrivedFrame> take_completed();
  /// Drops the frames from `rank`, and never frees the memory that MPI was given for them.
  void abandon(int rank);

 private:
  /// A piece that MPI is receiving.
  struct PostedPiece {
    std::size_t bytes;
    MPI_Request request;
  };
  struct IncomingFrame {
    EagerHeader header{};
    std::shared_ptr<Bytes> sizes_and_body = std::make_shared<Bytes>();
    std::shared_ptr<const void> block;  // the memory of the parts
    std::vector<SharedBytes> parts;
    std::string no_room;                       // why there is no such memory
    std::deque<std::span<std::byte>> to_post;  // the pieces to receive after the posted ones
    std::deque<PostedPiece> posted;
    enum class Stage { waiting, receiving_body, receiving_parts } stage = Stage::waiting;

    [[nodiscard]] FrameView view() const;
  };

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

  MPI_Comm communicator_;
  MpiPeers* peers_;
  ReceiveMemory* memory_;
  std::size_t piece_bytes_;
  std::shared_ptr<Bytes> unread_;                                 // the memory of all pieces that nothing will read
  std::unordered_map<int, std::deque<IncomingFrame>> by_source_;  // in order
  IncomingFrame current_;  // the frame that the last take_completed() returned a view of
};

}  // namespace joblib_mpi
