#include "transport/mpi_transport.hpp"

#include "mpi/mpi_abandoned_memory.hpp"
#include "mpi/mpi_check.hpp"
#include "mpi/mpi_failures.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace joblib_mpi {
namespace {

using Outcome = MpiPeers::Outcome;

/// The number of receives posted for eager messages: this many for each worker on rank 0, up to `most_receives`, and
/// this many on a worker. More would only move the wait from MPI's queue of unexpected messages to that of the
/// transport.
constexpr int receives_per_worker = 8;
constexpr int most_receives = 256;

MPI_Comm duplicate_of(MPI_Comm communicator) {
  MPI_Comm duplicate = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(communicator, &duplicate), "MPI_Comm_dup");
  return duplicate;
}

int rank_in(MPI_Comm communicator) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank");
  return rank;
}

int size_of(MPI_Comm communicator) {
  int size = 0;
  check_mpi(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  return size;
}

std::size_t agreed(std::size_t value_of_rank_0, MPI_Comm communicator) {
  check_mpi(MPI_Bcast(&value_of_rank_0, sizeof value_of_rank_0, MPI_BYTE, 0, communicator), "MPI_Bcast");
  return value_of_rank_0;
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
      rank_(rank_in(communicator)),
      size_(size_of(communicator)),
      mpi_tells_(mpi_tells_of_dead_ranks()),
      peers_(communicator, size_),
      sends_(communicator, peers_, agreed(piece_bytes, communicator)),
      incoming_(communicator, peers_, memory, sends_.piece_bytes()),
      broadcasts_(node_heads, broadcast_chunk_bytes) {
  const int sources = rank_ == 0 ? size_ - 1 : 1;
  ring_.resize(static_cast<std::size_t>(std::min(most_receives, receives_per_worker * sources)));
  for (PostedReceive& receive : ring_) {
    receive.buffer = std::make_unique<EagerBuffer>();
    post(receive);
  }
}

MpiTransport::~MpiTransport() {
  if (peers_.any_lost()) {
    for (PostedReceive& receive : ring_) abandon_to_mpi(std::move(receive.buffer));
    for (int rank = 0; rank < size_; ++rank) abandon(rank);
    return;
  }
  for (PostedReceive& receive : ring_) {
    if (receive.request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&receive.request);
    MPI_Wait(&receive.request, MPI_STATUS_IGNORE);
  }
  sends_.wait();
}

std::vector<int> MpiTransport::take_lost_ranks() {
  if (mpi_tells_) find_dead_ranks();
  return std::exchange(newly_dead_, {});
}

void MpiTransport::find_dead_ranks() {
  for (const int rank : peers_.find_dead()) {
    newly_dead_.push_back(rank);
    abandon(rank);
  }
}

void MpiTransport::give_up(int rank) {
  if (peers_.is_lost(rank)) return;
  peers_.lose(rank);
  abandon(rank);
}

void MpiTransport::abandon(int rank) {
  sends_.abandon(rank);
  incoming_.abandon(rank);
}

void MpiTransport::post(PostedReceive& receive) {
  const int source = rank_ == 0 ? MPI_ANY_SOURCE : 0;
  // Open MPI refuses a receive from any source until all deaths that it knows of are acknowledged. A receive that is
  // posted later would be out of order in the ring.
  for (int attempt = 0; attempt < size_; ++attempt) {
    const int code =
        MPI_Irecv(receive.buffer->data(), eager_bytes, MPI_BYTE, source, eager_tag, communicator_, &receive.request);
    if (peers_.check(code, "MPI_Irecv") || rank_ != 0) return;
    find_dead_ranks();
  }
}

void MpiTransport::send(int destination, Frame& frame) {
  if (!peers_.is_lost(destination)) return sends_.send(destination, frame);
  frame.body.clear();
  frame.parts.clear();
}

std::optional<ArrivedFrame> MpiTransport::receive() {
  if (viewed_ != nullptr) post(*std::exchange(viewed_, nullptr));
  progress();
  if (!incoming_.empty()) {
    if (auto frame = incoming_.take_completed()) return frame;
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
    const Outcome outcome = peers_.test(receive.request, &status);
    if (outcome == Outcome::pending) return std::nullopt;
    oldest_ = (oldest_ + 1) % ring_.size();
    if (outcome == Outcome::failed || peers_.is_lost(status.MPI_SOURCE)) {
      post(receive);
      continue;
    }

    int count = 0;
    check_mpi(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
    const ByteView message(receive.buffer->data(), static_cast<std::size_t>(count));
    EagerHeader header;
    std::memcpy(&header, message.data(), sizeof header);
    const ByteView rest = message.subspan(sizeof header);
    const bool must_wait = !incoming_.empty() && incoming_.contains(status.MPI_SOURCE);
    if (header.following_bytes == 0 && header.parts == 0 && !must_wait) {
      viewed_ = &receive;
      return ArrivedFrame{status.MPI_SOURCE, {rest, no_parts_}};
    }
    incoming_.add(status.MPI_SOURCE, header, rest);
    post(receive);
  }
  return std::nullopt;
}

std::size_t MpiTransport::broadcast(std::span<std::byte> memory, std::shared_ptr<const void> owner) {
  return broadcasts_.start(memory, std::move(owner));
}

std::size_t MpiTransport::skip_broadcast(std::size_t bytes) {
  return broadcasts_.skip(bytes);
}

void MpiTransport::progress() {
  if (peers_.death_suspected()) find_dead_ranks();
  sends_.reap();
  broadcasts_.advance();
  if (broadcasts_.broken() && !peers_.any_lost()) peers_.suspect_death();
}

bool MpiTransport::quiet() const noexcept {
  return sends_.quiet() && broadcasts_.quiet() && incoming_.empty();
}

}  // namespace joblib_mpi
