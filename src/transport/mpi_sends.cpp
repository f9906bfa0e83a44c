#include "transport/mpi_sends.hpp"

#include "mpi/mpi_abandoned_memory.hpp"

#include <cstdint>
#include <cstring>
#include <utility>

namespace joblib_mpi {
namespace {

using Outcome = MpiPeers::Outcome;

/// The number of turns after which all eager sends are tested. In between only the oldest is, which completes first
/// unless its receiver is silent. Chosen, not measured.
constexpr unsigned turns_between_sweeps = 256;

/// Writes the sizes of the parts and the body.
void write_sizes_and_body(const Frame& frame, std::byte* place) {
  for (const SharedBytes& part : frame.parts) {
    const std::uint64_t size = part.size();
    std::memcpy(place, &size, sizeof size);
    place += sizeof size;
  }
  std::memcpy(place, frame.body.data(), frame.body.size());
}

}  // namespace

MpiSends::MpiSends(MPI_Comm communicator, MpiPeers& peers, std::size_t piece_bytes)
    : communicator_(communicator), peers_(&peers), piece_bytes_(piece_bytes) {}

void MpiSends::send(int destination, Frame& frame) {
  EagerHeader header{0, frame.parts.size()};
  const std::size_t sizes_and_body_bytes = frame.parts.size() * sizeof(std::uint64_t) + frame.body.size();
  std::unique_ptr<EagerBuffer> buffer = take_buffer();
  if (sizeof header + sizes_and_body_bytes <= eager_bytes) {
    std::memcpy(buffer->data(), &header, sizeof header);
    write_sizes_and_body(frame, buffer->data() + sizeof header);
    send_eager(destination, std::move(buffer), sizeof header + sizes_and_body_bytes);
  } else {
    header.following_bytes = sizes_and_body_bytes;
    std::memcpy(buffer->data(), &header, sizeof header);
    Bytes following(sizes_and_body_bytes);
    write_sizes_and_body(frame, following.data());
    send_eager(destination, std::move(buffer), sizeof header);
    send_large(destination, SharedBytes(std::move(following)));
  }
  for (SharedBytes& part : frame.parts) send_large(destination, std::move(part));
  frame.body.clear();
  frame.parts.clear();
}

std::unique_ptr<EagerBuffer> MpiSends::take_buffer() {
  if (spare_buffers_.empty()) return std::make_unique<EagerBuffer>();
  std::unique_ptr<EagerBuffer> buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

void MpiSends::send_eager(int destination, std::unique_ptr<EagerBuffer> buffer, std::size_t bytes) {
  MPI_Request request = MPI_REQUEST_NULL;
  const bool started = peers_->check(
      MPI_Isend(buffer->data(), static_cast<int>(bytes), MPI_BYTE, destination, eager_tag, communicator_, &request),
      "MPI_Isend");
  peers_->wake(destination);
  if (started && peers_->test(request) == Outcome::done) {
    spare_buffers_.push_back(std::move(buffer));
  } else {
    eager_.push_back({destination, std::move(buffer), request});
  }
}

void MpiSends::send_large(int destination, SharedBytes bytes) {
  for_each_piece(bytes.size(), piece_bytes_, [&](std::size_t begin, std::size_t size) {
    MPI_Request request = MPI_REQUEST_NULL;
    (void)peers_->check(MPI_Isend(bytes.view().data() + begin, static_cast<int>(size), MPI_BYTE, destination, large_tag,
                                  communicator_, &request),
                        "MPI_Isend");
    large_.push_back({destination, bytes, size, request});
  });
  peers_->wake(destination);
}

void MpiSends::reap() {
  if (!eager_.empty()) reap_eager();
  if (!large_.empty()) reap_large();
}

void MpiSends::reap_eager() {
  while (!eager_.empty() && peers_->test(eager_.front().request) == Outcome::done) {
    peers_->wake(eager_.front().destination);
    spare_buffers_.push_back(std::move(eager_.front().buffer));
    eager_.pop_front();
  }
  if (++reaps_ % turns_between_sweeps != 0) return;
  std::erase_if(eager_, [this](EagerSend& send) {
    if (peers_->test(send.request) != Outcome::done) return false;
    peers_->wake(send.destination);
    spare_buffers_.push_back(std::move(send.buffer));
    return true;
  });
}

void MpiSends::reap_large() {
  busy_.assign(peers_->size(), false);
  std::erase_if(large_, [this](LargeSend& send) {
    // The pieces to one rank are taken in order.
    const auto destination = static_cast<std::size_t>(send.destination);
    if (busy_[destination]) return false;
    if (peers_->test(send.request) != Outcome::done) {
      busy_[destination] = true;
      return false;
    }
    peers_->wake(send.destination);
    peers_->hear_of(send.destination, send.piece_bytes);
    return true;
  });
}

void MpiSends::abandon(int rank) {
  std::erase_if(eager_, [rank](EagerSend& send) {
    if (send.destination != rank) return false;
    abandon_to_mpi(std::move(send.buffer));
    return true;
  });
  std::erase_if(large_, [rank](const LargeSend& send) {
    if (send.destination != rank) return false;
    abandon_to_mpi(send.bytes.owner());
    return true;
  });
}

void MpiSends::wait() {
  for (EagerSend& send : eager_) MPI_Wait(&send.request, MPI_STATUS_IGNORE);
  for (LargeSend& send : large_) MPI_Wait(&send.request, MPI_STATUS_IGNORE);
}

}  // namespace joblib_mpi
