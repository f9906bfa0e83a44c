#include "transport/mpi_transport.hpp"

#include "mpi/mpi_abandoned_memory.hpp"
#include "mpi/mpi_check.hpp"
#include "mpi/mpi_failures.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace joblib_mpi {
namespace {

constexpr int eager_tag = 1;
constexpr int large_tag = 2;

/// The number of pieces of a frame that are posted at the same time, so that one can travel while another is taken.
constexpr std::size_t most_posted_pieces = 2;

/// The size in bytes from which a piece shows that the other rank is alive: MPI sends shorter ones before the receiver
/// has asked for them (up to 64 KiB over TCP in Open MPI 4.1 and 5).
constexpr std::size_t shortest_sign_of_life = std::size_t{128} << 10;

/// The number of receives posted for eager messages: this many for each worker on rank 0, up to `most_receives`, and
/// this many on a worker. More would only move the wait from MPI's queue of unexpected messages to that of the
/// transport.
constexpr int receives_per_worker = 8;
constexpr int most_receives = 256;

/// The number of turns after which all eager sends are tested. In between only the oldest is, which completes first
/// unless its receiver is silent. Chosen, not measured.
constexpr unsigned turns_between_sweeps = 256;

/// The alignment of the parts of a frame in memory: the size of a cache line.
constexpr std::size_t part_alignment = 64;

constexpr std::size_t aligned(std::size_t size) {
  return (size + part_alignment - 1) / part_alignment * part_alignment;
}

template <class Piece>
void for_each_piece(std::size_t size, std::size_t piece_bytes, Piece&& piece) {
  for (std::size_t begin = 0; begin < size; begin += piece_bytes) piece(begin, std::min(piece_bytes, size - begin));
}

MPI_Comm duplicate_of(MPI_Comm communicator) {
  MPI_Comm duplicate = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(communicator, &duplicate), "MPI_Comm_dup");
  return duplicate;
}

ReceiveMemory& heap() {
  static HeapMemory memory;
  return memory;
}

}  // namespace

MpiTransport::MpiTransport(MPI_Comm communicator, std::size_t broadcast_chunk_bytes)
    : MpiTransport(communicator, duplicate_of(communicator), broadcast_chunk_bytes, heap()) {}

MpiTransport::MpiTransport(MPI_Comm communicator, MPI_Comm node_heads, std::size_t broadcast_chunk_bytes,
                           ReceiveMemory& memory, std::size_t piece_bytes)
    : communicator_(communicator),
      memory_(&memory),
      piece_bytes_(piece_bytes),
      broadcasts_(node_heads, broadcast_chunk_bytes),
      mpi_tells_(mpi_tells_of_dead_ranks()) {
  check_mpi(MPI_Comm_rank(communicator_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(communicator_, &size_), "MPI_Comm_size");
  check_mpi(MPI_Bcast(&piece_bytes_, sizeof piece_bytes_, MPI_BYTE, 0, communicator_), "MPI_Bcast");
  unread_ = std::make_shared<Bytes>(piece_bytes_);  // now, because there may be no room when it is needed
  lost_.resize(static_cast<std::size_t>(size_));
  heard_.resize(static_cast<std::size_t>(size_));
  const int sources = rank_ == 0 ? size_ - 1 : 1;
  ring_.resize(static_cast<std::size_t>(std::min(most_receives, receives_per_worker * sources)));
  for (PostedReceive& receive : ring_) {
    receive.buffer = std::make_unique<EagerBuffer>();
    post(receive);
  }
}

MpiTransport::~MpiTransport() {
  if (any_lost_) {
    for (PostedReceive& receive : ring_) abandon_to_mpi(std::move(receive.buffer));
    for (int rank = 0; rank < size_; ++rank) leave(rank);
    return;
  }
  for (PostedReceive& receive : ring_) {
    if (receive.request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&receive.request);
    MPI_Wait(&receive.request, MPI_STATUS_IGNORE);
  }
  for (EagerSend& send : eager_sends_) MPI_Wait(&send.request, MPI_STATUS_IGNORE);
  for (LargeSend& send : large_sends_) MPI_Wait(&send.request, MPI_STATUS_IGNORE);
}

bool MpiTransport::check(int code, const char* operation) {
  if (code == MPI_SUCCESS) return true;
  if (!is_rank_failure(code)) check_mpi(code, operation);
  failure_seen_ = true;
  return false;
}

MpiTransport::Outcome MpiTransport::test(MPI_Request& request, MPI_Status* status) {
  int done = 0;
  if (check(MPI_Test(&request, &done, status), "MPI_Test")) return done != 0 ? Outcome::done : Outcome::pending;
  if (request == MPI_REQUEST_NULL) return Outcome::failed;
  // A receive from any source is still posted: the message that it gets may come from a rank that is alive.
  if (done == 0) return Outcome::pending;
  // Once Open MPI 5.0.7 has reported a failure for such a receive, it keeps doing so, even after a message from another
  // rank has arrived.
  MPI_Request_free(&request);
  return Outcome::done;
}

std::vector<int> MpiTransport::take_lost_ranks() {
  if (mpi_tells_) find_lost_ranks();
  return std::exchange(newly_lost_, {});
}

std::vector<int> MpiTransport::lost_ranks() const {
  std::vector<int> ranks;
  for (int rank = 0; rank < size_; ++rank) {
    if (is_lost(rank)) ranks.push_back(rank);
  }
  return ranks;
}

void MpiTransport::find_lost_ranks() {
  failure_seen_ = false;
  for (const int rank : dead_ranks(communicator_)) {
    if (is_lost(rank)) continue;
    newly_lost_.push_back(rank);
    leave(rank);
  }
}

void MpiTransport::give_up(int rank) {
  if (!is_lost(rank)) leave(rank);
}

void MpiTransport::leave(int rank) {
  lost_[static_cast<std::size_t>(rank)] = true;
  any_lost_ = true;
  std::erase_if(eager_sends_, [rank](EagerSend& send) {
    if (send.destination != rank) return false;
    abandon_to_mpi(std::move(send.buffer));
    return true;
  });
  std::erase_if(large_sends_, [rank](const LargeSend& send) {
    if (send.destination != rank) return false;
    abandon_to_mpi(send.bytes.owner());
    return true;
  });
  const auto frames = incoming_.find(rank);
  if (frames == incoming_.end()) return;
  for (const IncomingFrame& frame : frames->second) {
    if (frame.posted.empty()) continue;
    abandon_to_mpi(frame.sizes_and_body);
    if (frame.block) abandon_to_mpi(frame.block);
    if (!frame.no_room.empty()) abandon_to_mpi(unread_);
  }
  incoming_.erase(frames);
}

void MpiTransport::post(PostedReceive& receive) {
  const int source = rank_ == 0 ? MPI_ANY_SOURCE : 0;
  // Open MPI refuses a receive from any source until all deaths that it knows of are acknowledged. A receive that is
  // posted later would be out of order in the ring.
  for (int attempt = 0; attempt < size_; ++attempt) {
    const int code =
        MPI_Irecv(receive.buffer->data(), eager_bytes, MPI_BYTE, source, eager_tag, communicator_, &receive.request);
    if (check(code, "MPI_Irecv") || rank_ != 0) return;
    find_lost_ranks();
  }
}

void MpiTransport::send(int destination, Frame& frame) {
  if (is_lost(destination)) {
    frame.body.clear();
    frame.parts.clear();
    return;
  }
  Header header{0, frame.parts.size()};
  const std::size_t sizes_bytes = frame.parts.size() * sizeof(std::uint64_t);
  std::size_t message_bytes = sizeof header + sizes_bytes + frame.body.size();
  const bool fits = message_bytes <= eager_bytes;
  if (!fits) {
    header.following_bytes = sizes_bytes + frame.body.size();
    message_bytes = sizeof header;
  }

  std::unique_ptr<EagerBuffer> buffer;
  if (spare_buffers_.empty()) {
    buffer = std::make_unique<EagerBuffer>();
  } else {
    buffer = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
  }
  std::byte* place = buffer->data();
  std::memcpy(place, &header, sizeof header);

  Bytes following;
  if (fits) {
    place += sizeof header;
  } else {
    following.resize(header.following_bytes);
    place = following.data();
  }
  for (const SharedBytes& part : frame.parts) {
    const std::uint64_t size = part.size();
    std::memcpy(place, &size, sizeof size);
    place += sizeof size;
  }
  std::memcpy(place, frame.body.data(), frame.body.size());

  MPI_Request request = MPI_REQUEST_NULL;
  const bool started = check(MPI_Isend(buffer->data(), static_cast<int>(message_bytes), MPI_BYTE, destination,
                                       eager_tag, communicator_, &request),
                             "MPI_Isend");
  if (started && test(request) == Outcome::done) {
    spare_buffers_.push_back(std::move(buffer));
  } else {
    eager_sends_.push_back({destination, std::move(buffer), request});
  }
  if (!fits) send_large(destination, SharedBytes(std::move(following)));
  for (SharedBytes& part : frame.parts) send_large(destination, std::move(part));
  frame.body.clear();
  frame.parts.clear();
}

void MpiTransport::send_large(int destination, SharedBytes bytes) {
  for_each_piece(bytes.size(), piece_bytes_, [&](std::size_t begin, std::size_t size) {
    MPI_Request request = MPI_REQUEST_NULL;
    (void)check(MPI_Isend(bytes.view().data() + begin, static_cast<int>(size), MPI_BYTE, destination, large_tag,
                          communicator_, &request),
                "MPI_Isend");
    large_sends_.push_back({destination, bytes, size, request});
  });
}

std::optional<ArrivedFrame> MpiTransport::receive() {
  if (viewed_ != nullptr) post(*std::exchange(viewed_, nullptr));
  progress();
  if (!incoming_.empty()) {
    if (auto frame = take_completed()) return frame;
  }
  return take_eager();
}

std::optional<ArrivedFrame> MpiTransport::take_eager() {
  // Each iteration takes one message; messages that have to wait are put aside, so the loop ends after one round of the
  // ring.
  for (std::size_t turn = 0; turn < ring_.size(); ++turn) {
    PostedReceive& receive = ring_[oldest_];
    MPI_Status status;
    if (receive.request == MPI_REQUEST_NULL) return std::nullopt;  // rank 0 is dead
    const Outcome outcome = test(receive.request, &status);
    if (outcome == Outcome::pending) return std::nullopt;
    oldest_ = (oldest_ + 1) % ring_.size();
    if (outcome == Outcome::failed || is_lost(status.MPI_SOURCE)) {
      post(receive);
      continue;
    }

    int count = 0;
    check_mpi(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
    const ByteView message(receive.buffer->data(), static_cast<std::size_t>(count));
    Header header;
    std::memcpy(&header, message.data(), sizeof header);
    const ByteView rest = message.subspan(sizeof header);
    const bool must_wait = !incoming_.empty() && incoming_.contains(status.MPI_SOURCE);
    if (header.following_bytes == 0 && header.parts == 0 && !must_wait) {
      viewed_ = &receive;
      return ArrivedFrame{status.MPI_SOURCE, {rest, no_parts_}};
    }
    keep(status.MPI_SOURCE, header, rest);
    post(receive);
  }
  return std::nullopt;
}

void MpiTransport::keep(int source, const Header& header, ByteView rest) {
  IncomingFrame& frame = incoming_[source].emplace_back();
  frame.header = header;
  if (header.following_bytes == 0) *frame.sizes_and_body = copy_of(rest);
}

std::optional<ArrivedFrame> MpiTransport::take_completed() {
  for (auto source = incoming_.begin(); source != incoming_.end(); ++source) {
    // Only the oldest frame of a source advances, since its large messages arrive first, too.
    if (!advance(source->first, source->second.front())) continue;
    current_ = std::move(source->second.front());
    const int rank = source->first;
    source->second.pop_front();
    if (source->second.empty()) incoming_.erase(source);
    return ArrivedFrame{rank, current_.view()};
  }
  return std::nullopt;
}

bool MpiTransport::advance(int source, IncomingFrame& frame) {
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
    if (piece_taken || test(oldest.request) != Outcome::done) return false;
    hear_of(source, oldest.bytes);
    frame.posted.pop_front();
    piece_taken = true;
  }
}

void MpiTransport::receive_parts(IncomingFrame& frame) {
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

ReceiveMemory::Block MpiTransport::allocate(IncomingFrame& frame, std::size_t bytes) {
  if (bytes == 0) return {};
  try {
    return memory_->allocate(bytes);
  } catch (const std::exception& error) {
    frame.no_room = "there is no room for " + std::to_string(bytes) + " bytes: " + error.what();
    return {};
  }
}

void MpiTransport::receive_large(IncomingFrame& frame, std::span<std::byte> memory) const {
  for_each_piece(memory.size(), piece_bytes_,
                 [&](std::size_t begin, std::size_t size) { frame.to_post.push_back(memory.subspan(begin, size)); });
}

void MpiTransport::receive_unread(IncomingFrame& frame, std::size_t bytes) {
  for_each_piece(bytes, piece_bytes_,
                 [&](std::size_t, std::size_t size) { frame.to_post.push_back(std::span(*unread_).first(size)); });
}

bool MpiTransport::post_pieces(int source, IncomingFrame& frame) {
  // MPI must not receive two messages in the same memory.
  const std::size_t most_posted = frame.no_room.empty() ? most_posted_pieces : 1;
  while (!frame.to_post.empty() && frame.posted.size() < most_posted) {
    const std::span<std::byte> piece = frame.to_post.front();
    MPI_Request request = MPI_REQUEST_NULL;
    if (!check(MPI_Irecv(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, source, large_tag, communicator_,
                         &request),
               "MPI_Irecv")) {
      return false;
    }
    frame.posted.push_back({piece.size(), request});
    frame.to_post.pop_front();
  }
  return true;
}

void MpiTransport::hear_of(int rank, std::size_t piece_bytes) {
  if (piece_bytes < shortest_sign_of_life) return;
  heard_[static_cast<std::size_t>(rank)] = true;
  any_heard_ = true;
}

std::vector<int> MpiTransport::take_heard_ranks() {
  std::vector<int> ranks;
  if (!std::exchange(any_heard_, false)) return ranks;
  for (int rank = 0; rank < size_; ++rank) {
    if (heard_[static_cast<std::size_t>(rank)]) ranks.push_back(rank);
  }
  heard_.assign(heard_.size(), false);
  return ranks;
}

FrameView MpiTransport::IncomingFrame::view() const {
  return {ByteView(*sizes_and_body).subspan(header.parts * sizeof(std::uint64_t)), parts, no_room};
}

std::size_t MpiTransport::broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) {
  return broadcasts_.start(memory, std::move(owner));
}

std::size_t MpiTransport::skip_broadcast(std::size_t bytes) {
  return broadcasts_.skip(bytes);
}

void MpiTransport::progress() {
  if (failure_seen_) find_lost_ranks();
  if (!eager_sends_.empty() || !large_sends_.empty()) reap_sends();
  broadcasts_.advance();
  if (broadcasts_.broken() && !any_lost_) failure_seen_ = true;
}

void MpiTransport::reap_sends() {
  while (!eager_sends_.empty() && test(eager_sends_.front().request) == Outcome::done) {
    spare_buffers_.push_back(std::move(eager_sends_.front().buffer));
    eager_sends_.pop_front();
  }
  if (++reaps_ % turns_between_sweeps == 0) {
    std::erase_if(eager_sends_, [this](EagerSend& send) {
      if (test(send.request) != Outcome::done) return false;
      spare_buffers_.push_back(std::move(send.buffer));
      return true;
    });
  }
  if (large_sends_.empty()) return;
  busy_.assign(heard_.size(), false);
  std::erase_if(large_sends_, [this](LargeSend& send) {
    // The pieces to one rank are taken in order.
    const auto destination = static_cast<std::size_t>(send.destination);
    if (busy_[destination]) return false;
    if (test(send.request) != Outcome::done) {
      busy_[destination] = true;
      return false;
    }
    hear_of(send.destination, send.piece_bytes);
    return true;
  });
}

bool MpiTransport::quiet() const noexcept {
  return eager_sends_.empty() && large_sends_.empty() && broadcasts_.quiet() && incoming_.empty();
}

}  // namespace joblib_mpi
