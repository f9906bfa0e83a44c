#include "transport/mpi_transport.hpp"

#include "mpi/mpi_check.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace joblib_mpi {
namespace {

constexpr int eager_tag = 1;
constexpr int large_tag = 2;

/// MPI counts are int. Larger arrays go in pieces.
constexpr std::size_t largest_message = std::size_t{1} << 30;

/// Receives that wait for eager messages on rank 0 (for each worker, up to a limit) and on a worker. More only moves
/// the wait from MPI's queue of unexpected messages to ours.
constexpr int receives_per_worker = 8;
constexpr int most_receives = 256;

/// Pieces of one broadcast under way: the next is on its first link while the one before is on its last.
constexpr std::size_t broadcast_window = 4;

template <class Piece>
void for_each_piece(std::size_t size, Piece&& piece) {
  for (std::size_t begin = 0; begin < size; begin += largest_message) {
    piece(begin, std::min(largest_message, size - begin));
  }
}

bool completed(MPI_Request& request, MPI_Status* status = MPI_STATUS_IGNORE) {
  int done = 0;
  check_mpi(MPI_Test(&request, &done, status), "MPI_Test");
  return done != 0;
}

}  // namespace

MpiTransport::MpiTransport(MPI_Comm communicator, std::size_t broadcast_chunk_bytes)
    : communicator_(communicator), broadcast_chunk_bytes_(broadcast_chunk_bytes) {
  check_mpi(MPI_Comm_rank(communicator_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(communicator_, &size_), "MPI_Comm_size");
  check_mpi(MPI_Bcast(&broadcast_chunk_bytes_, sizeof broadcast_chunk_bytes_, MPI_BYTE, 0, communicator_), "MPI_Bcast");
  const int sources = rank_ == 0 ? size_ - 1 : 1;
  ring_.resize(static_cast<std::size_t>(std::min(most_receives, receives_per_worker * sources)));
  for (PostedReceive& receive : ring_) {
    receive.buffer = std::make_unique<EagerBuffer>();
    post(receive);
  }
}

MpiTransport::~MpiTransport() {
  for (PostedReceive& receive : ring_) {
    if (receive.request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&receive.request);
    MPI_Wait(&receive.request, MPI_STATUS_IGNORE);
  }
  for (EagerSend& send : eager_sends_) MPI_Wait(&send.request, MPI_STATUS_IGNORE);
  for (LargeSend& send : large_sends_) MPI_Wait(&send.request, MPI_STATUS_IGNORE);
}

void MpiTransport::post(PostedReceive& receive) {
  check_mpi(MPI_Irecv(receive.buffer->data(), eager_bytes, MPI_BYTE, rank_ == 0 ? MPI_ANY_SOURCE : 0, eager_tag,
                      communicator_, &receive.request),
            "MPI_Irecv");
}

void MpiTransport::send(int destination, Frame& frame) {
  Header header{0, static_cast<std::uint32_t>(frame.body.size()), static_cast<std::uint32_t>(frame.parts.size())};
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
  check_mpi(MPI_Isend(buffer->data(), static_cast<int>(message_bytes), MPI_BYTE, destination, eager_tag, communicator_,
                      &request),
            "MPI_Isend");
  if (completed(request)) {
    spare_buffers_.push_back(std::move(buffer));
  } else {
    eager_sends_.push_back({std::move(buffer), request});
  }
  if (!fits) send_large(destination, SharedBytes(std::move(following)));
  for (SharedBytes& part : frame.parts) send_large(destination, std::move(part));
  frame.body.clear();
  frame.parts.clear();
}

void MpiTransport::send_large(int destination, SharedBytes bytes) {
  for_each_piece(bytes.size(), [&](std::size_t begin, std::size_t size) {
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Isend(bytes.view().data() + begin, static_cast<int>(size), MPI_BYTE, destination, large_tag,
                        communicator_, &request),
              "MPI_Isend");
    large_sends_.push_back({bytes, request});
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
  // Each turn takes one message; those that have to wait are put aside, so the ring ends this at last.
  for (std::size_t turn = 0; turn < ring_.size(); ++turn) {
    PostedReceive& receive = ring_[oldest_];
    MPI_Status status;
    if (!completed(receive.request, &status)) return std::nullopt;
    oldest_ = (oldest_ + 1) % ring_.size();

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
  if (header.following_bytes == 0) frame.sizes_and_body = copy_of(rest);
}

std::optional<ArrivedFrame> MpiTransport::take_completed() {
  for (auto source = incoming_.begin(); source != incoming_.end(); ++source) {
    // Only the oldest frame of a source moves on: its large messages come first, too.
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
      frame.sizes_and_body.resize(frame.header.following_bytes);
      for_each_piece(frame.sizes_and_body.size(), [&](std::size_t begin, std::size_t size) {
        check_mpi(MPI_Irecv(frame.sizes_and_body.data() + begin, static_cast<int>(size), MPI_BYTE, source, large_tag,
                            communicator_, &frame.requests.emplace_back()),
                  "MPI_Irecv");
      });
      frame.stage = Stage::receiving_body;
    } else {
      receive_parts(source, frame);
    }
  }
  int done = 0;
  check_mpi(MPI_Testall(static_cast<int>(frame.requests.size()), frame.requests.data(), &done, MPI_STATUSES_IGNORE),
            "MPI_Testall");
  if (done == 0) return false;
  frame.requests.clear();
  if (frame.stage == Stage::receiving_parts) return true;
  receive_parts(source, frame);
  return frame.requests.empty();
}

void MpiTransport::receive_parts(int source, IncomingFrame& frame) {
  frame.stage = IncomingFrame::Stage::receiving_parts;
  for (std::uint32_t index = 0; index < frame.header.parts; ++index) {
    std::uint64_t size = 0;
    std::memcpy(&size, frame.sizes_and_body.data() + index * sizeof size, sizeof size);
    Bytes part(size);
    for_each_piece(size, [&](std::size_t begin, std::size_t piece) {
      check_mpi(MPI_Irecv(part.data() + begin, static_cast<int>(piece), MPI_BYTE, source, large_tag, communicator_,
                          &frame.requests.emplace_back()),
                "MPI_Irecv");
    });
    frame.parts.emplace_back(std::move(part));
  }
}

FrameView MpiTransport::IncomingFrame::view() const {
  return {ByteView(sizes_and_body).subspan(header.parts * sizeof(std::uint64_t)), parts};
}

std::size_t MpiTransport::broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) {
  broadcasts_.push_back({memory, std::move(owner), 0, {}});
  advance_broadcasts();
  return ++broadcasts_queued_;
}

void MpiTransport::advance_broadcasts() {
  while (!broadcasts_.empty()) {
    BroadcastInProgress& oldest = broadcasts_.front();
    while (!oldest.chunks.empty() && completed(oldest.chunks.front())) oldest.chunks.pop_front();
    while (oldest.posted_bytes < oldest.memory.size() && oldest.chunks.size() < broadcast_window) {
      const std::size_t size = std::min(broadcast_chunk_bytes_, oldest.memory.size() - oldest.posted_bytes);
      check_mpi(MPI_Ibcast(oldest.memory.data() + oldest.posted_bytes, static_cast<int>(size), MPI_BYTE, 0,
                           communicator_, &oldest.chunks.emplace_back()),
                "MPI_Ibcast");
      oldest.posted_bytes += size;
    }
    if (!oldest.chunks.empty()) return;
    broadcasts_.pop_front();
    ++broadcasts_done_;
  }
}

void MpiTransport::progress() {
  if (!eager_sends_.empty() || !large_sends_.empty()) reap_sends();
  if (!broadcasts_.empty()) advance_broadcasts();
}

void MpiTransport::reap_sends() {
  while (!eager_sends_.empty() && completed(eager_sends_.front().request)) {
    spare_buffers_.push_back(std::move(eager_sends_.front().buffer));
    eager_sends_.pop_front();
  }
  std::erase_if(large_sends_, [](LargeSend& send) { return completed(send.request); });
}

bool MpiTransport::quiet() const noexcept {
  return eager_sends_.empty() && large_sends_.empty() && broadcasts_.empty() && incoming_.empty();
}

}  // namespace joblib_mpi
