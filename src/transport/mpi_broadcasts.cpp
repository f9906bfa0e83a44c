#include "transport/mpi_broadcasts.hpp"

#include "mpi/mpi_abandoned_memory.hpp"
#include "mpi/mpi_check.hpp"
#include "mpi/mpi_failures.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace joblib_mpi {
namespace {

/// The number of chunks of one broadcast that a rank has under way: some arrive while others are passed on. Chosen, not
/// measured.
constexpr std::size_t broadcast_window = 4;

constexpr int chunk_tag = 0;

/// Returns whether `code` means that a rank is dead. Throws MpiError for every other error.
bool rank_failed(int code, const char* function) {
  if (is_rank_failure(code)) return true;
  check_mpi(code, function);
  return false;
}

}  // namespace

MpiBroadcasts::MpiBroadcasts(MPI_Comm communicator, std::size_t chunk_bytes)
    : communicator_(communicator), chunk_bytes_(chunk_bytes) {
  if (communicator_ == MPI_COMM_NULL) return;
  check_mpi(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_rank(communicator_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(communicator_, &size_), "MPI_Comm_size");
  check_mpi(MPI_Bcast(&chunk_bytes_, sizeof chunk_bytes_, MPI_BYTE, 0, communicator_), "MPI_Bcast");
}

MpiBroadcasts::~MpiBroadcasts() {
  if (!under_way_.empty()) end();
  // Freeing is collective, so a communicator with a dead rank stays.
  if (!ended_ && !broken_ && communicator_ != MPI_COMM_NULL) MPI_Comm_free(&communicator_);
}

std::size_t MpiBroadcasts::start(std::span<std::byte> memory, std::shared_ptr<const void> owner) {
  assert(!ended_ && communicator_ != MPI_COMM_NULL);
  under_way_.push_back({memory.data(), memory.size(), std::move(owner)});
  advance();
  return ++started_;
}

std::size_t MpiBroadcasts::skip(std::size_t bytes) {
  assert(!ended_ && communicator_ != MPI_COMM_NULL);
  if (!unread_) unread_ = std::make_shared<Bytes>(chunk_bytes_);
  under_way_.push_back({nullptr, bytes, unread_});
  advance();
  return ++started_;
}

void MpiBroadcasts::advance() {
  while (!under_way_.empty() && !broken_) {
    Broadcast& oldest = under_way_.front();
    if (!advance(oldest)) {
      broken_ = true;
      return;
    }
    if (!oldest.chunks.empty()) return;
    under_way_.pop_front();
    ++done_;
  }
}

bool MpiBroadcasts::advance(Broadcast& broadcast) {
  // With a window of one where chunks share their memory, since MPI must not get the same memory twice at a time.
  const std::size_t window = broadcast.memory == nullptr ? 1 : broadcast_window;
  while (true) {
    for (Chunk& chunk : broadcast.chunks) {
      if (!advance(chunk)) return false;
      if (chunk.state == Chunk::State::on_its_way) break;  // the next rank expects the chunks in order
    }
    while (!broadcast.chunks.empty() && broadcast.chunks.front().state == Chunk::State::done) {
      broadcast.chunks.pop_front();
    }
    if (broadcast.posted_bytes == broadcast.bytes || broadcast.chunks.size() >= window) return true;
    while (broadcast.posted_bytes < broadcast.bytes && broadcast.chunks.size() < window) {
      if (!post_chunk(broadcast)) return false;
    }
  }
}

bool MpiBroadcasts::post_chunk(Broadcast& broadcast) const {
  const std::size_t size = std::min(chunk_bytes_, broadcast.bytes - broadcast.posted_bytes);
  std::byte* const place = broadcast.memory == nullptr ? unread_->data() : broadcast.memory + broadcast.posted_bytes;
  Chunk& chunk = broadcast.chunks.emplace_back(Chunk{place, static_cast<int>(size)});
  broadcast.posted_bytes += size;
  if (rank_ == 0) return true;
  chunk.state = Chunk::State::on_its_way;
  return !rank_failed(
      MPI_Irecv(chunk.place, chunk.bytes, MPI_BYTE, rank_ - 1, chunk_tag, communicator_, &chunk.request), "MPI_Irecv");
}

bool MpiBroadcasts::advance(Chunk& chunk) const {
  using enum Chunk::State;
  if (chunk.state == on_its_way || chunk.state == being_passed_on) {
    int complete = 0;
    if (rank_failed(MPI_Test(&chunk.request, &complete, MPI_STATUS_IGNORE), "MPI_Test")) return false;
    if (complete == 0) return true;
    chunk.state = chunk.state == on_its_way ? here : done;
  }
  if (chunk.state == here && rank_ + 1 == size_) chunk.state = done;
  if (chunk.state == here) {
    if (rank_failed(MPI_Isend(chunk.place, chunk.bytes, MPI_BYTE, rank_ + 1, chunk_tag, communicator_, &chunk.request),
                    "MPI_Isend")) {
      return false;
    }
    chunk.state = being_passed_on;
  }
  return true;
}

void MpiBroadcasts::end() {
  if (std::exchange(ended_, true)) return;
  // Ranks that wait for a rank which is alive but has left its broadcasts would otherwise never learn of it.
  if (mpi_tells_of_dead_ranks() && communicator_ != MPI_COMM_NULL) revoke(communicator_);
  // Revoked or not, a chunk may still be on its way from a rank that is alive.
  for (const Broadcast& broadcast : under_way_) abandon_to_mpi(broadcast.owner);
  under_way_.clear();
}

}  // namespace joblib_mpi
