#include "transport/mpi_incoming.hpp"

#include "mpi/mpi_abandoned_memory.hpp"

#include <cstdint>
#include <cstring>
#include <exception>
#include <utility>

namespace joblib_mpi {
namespace {

/// The number of pieces of a frame that are posted at the same time, so that one can travel while another is taken.
constexpr std::size_t most_posted_pieces = 2;

}  // namespace

MpiIncoming::MpiIncoming(MPI_Comm communicator, MpiPeers& peers, ReceiveMemory& memory, std::size_t piece_bytes)
    : communicator_(communicator),
      peers_(&peers),
      memory_(&memory),
      piece_bytes_(piece_bytes),
      unread_(std::make_shared<Bytes>(piece_bytes)) {}  // now, because there may be no room when it is needed

void MpiIncoming::add(int source, const EagerHeader& header, ByteView rest) {
  IncomingFrame& frame = by_source_[source].emplace_back();
  frame.header = header;
  if (header.following_bytes == 0) *frame.sizes_and_body = copy_of(rest);
}

std::optional<ArrivedFrame> MpiIncoming::take_completed() {
  for (auto source = by_source_.begin(); source != by_source_.end(); ++source) {
    // Only the oldest frame of a source advances, since its large messages arrive first, too.
    if (!advance(source->first, source->second.front())) continue;
    current_ = std::move(source->second.front());
    const int rank = source->first;
    source->second.pop_front();
    if (source->second.empty()) by_source_.erase(source);
    return ArrivedFrame{rank, current_.view()};
  }
  return std::nullopt;
}

bool MpiIncoming::advance(int source, IncomingFrame& frame) {
  using Stage = IncomingFrame::Stage;
  if (frame.stage == Stage::waiting) {
    if (frame.header.following_bytes != 0) {
      frame.sizes_and_body->resize(frame.header.following_bytes);
      receive_large(frame, *frame.sizes_and_body);
      frame.stage = Stage::receiving_body;
    } else {
      receive_parts(frame);
    }
  }
  bool piece_taken = false;
  while (true) {
    if (!post_pieces(source, frame)) return false;
    if (frame.posted.empty()) {
      if (frame.stage == Stage::receiving_parts) return true;
      receive_parts(frame);
      continue;
    }
    PostedPiece& oldest = frame.posted.front();
    if (piece_taken || peers_->test(oldest.request) != MpiPeers::Outcome::done) return false;
    peers_->wake(source);
    peers_->hear_of(source, oldest.bytes);
    frame.posted.pop_front();
    piece_taken = true;
  }
}

void MpiIncoming::receive_parts(IncomingFrame& frame) {
  frame.stage = IncomingFrame::Stage::receiving_parts;
  std::vector<std::uint64_t> sizes(frame.header.parts);
  if (!sizes.empty()) std::memcpy(sizes.data(), frame.sizes_and_body->data(), sizes.size() * sizeof(std::uint64_t));
  std::size_t total = 0;
  for (const std::uint64_t size : sizes) total += aligned(size);
  const ReceiveMemory::Block block = allocate(frame, total);
  frame.block = block.owner;
  std::size_t begin = 0;
  for (const std::uint64_t size : sizes) {
    if (!frame.no_room.empty()) {
      frame.parts.emplace_back();
      receive_unread(frame, size);
      continue;
    }
    const std::span<std::byte> part = block.bytes.subspan(begin, size);
    receive_large(frame, part);
    frame.parts.emplace_back(block.owner, part);
    begin += aligned(size);
  }
}

ReceiveMemory::Block MpiIncoming::allocate(IncomingFrame& frame, std::size_t bytes) {
  if (bytes == 0) return {};
  try {
    return memory_->allocate(bytes);
  } catch (const std::exception& error) {
    frame.no_room = "there is no room for " + std::to_string(bytes) + " bytes: " + error.what();
    return {};
  }
}

void MpiIncoming::receive_large(IncomingFrame& frame, std::span<std::byte> memory) const {
  for_each_piece(memory.size(), piece_bytes_,
                 [&](std::size_t begin, std::size_t size) { frame.to_post.push_back(memory.subspan(begin, size)); });
}

void MpiIncoming::receive_unread(IncomingFrame& frame, std::size_t bytes) {
  for_each_piece(bytes, piece_bytes_,
                 [&](std::size_t, std::size_t size) { frame.to_post.push_back(std::span(*unread_).first(size)); });
}

bool MpiIncoming::post_pieces(int source, IncomingFrame& frame) {
  // MPI must not receive two messages in the same memory.
  const std::size_t most_posted = frame.no_room.empty() ? most_posted_pieces : 1;
  while (!frame.to_post.empty() && frame.posted.size() < most_posted) {
    const std::span<std::byte> piece = frame.to_post.front();
    MPI_Request request = MPI_REQUEST_NULL;
    if (!peers_->check(MPI_Irecv(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, source, large_tag,
                                 communicator_, &request),
                       "MPI_Irecv")) {
      return false;
    }
    peers_->wake(source);  // it may have waited for this
    frame.posted.push_back({piece.size(), request});
    frame.to_post.pop_front();
  }
  return true;
}

FrameView MpiIncoming::IncomingFrame::view() const {
  return {ByteView(*sizes_and_body).subspan(header.parts * sizeof(std::uint64_t)), parts, no_room};
}

void MpiIncoming::abandon(int rank) {
  const auto frames = by_source_.find(rank);
  if (frames == by_source_.end()) return;
  for (const IncomingFrame& frame : frames->second) {
    if (frame.posted.empty()) continue;
    abandon_to_mpi(frame.sizes_and_body);
    if (frame.block) abandon_to_mpi(frame.block);
    if (!frame.no_room.empty()) abandon_to_mpi(unread_);
  }
  by_source_.erase(frames);
}

}  // namespace joblib_mpi
