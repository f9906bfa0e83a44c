#pragma once

#include "transport/mpi_transport.hpp"

#include <mpi.h>

#include <cstddef>
#include <optional>

namespace joblib_mpi::test {

/// An MpiTransport on a duplicate of the world communicator. Construction and destruction are collective.
class TransportOnWorld {
 public:
  explicit TransportOnWorld(std::size_t broadcast_chunk_bytes = std::size_t{1} << 20) : communicator_(duplicate()) {
    transport_.emplace(communicator_, broadcast_chunk_bytes);
  }
  /// Makes a transport whose large arrays arrive in `memory`, in pieces of so many bytes.
  explicit TransportOnWorld(ReceiveMemory& memory, std::size_t piece_bytes = MpiTransport::default_piece_bytes)
      : communicator_(duplicate()) {
    MPI_Comm node_heads = MPI_COMM_NULL;  // all ranks
    MPI_Comm_dup(communicator_, &node_heads);
    transport_.emplace(communicator_, node_heads, std::size_t{1} << 20, memory, piece_bytes);
  }
  TransportOnWorld(const TransportOnWorld&) = delete;
  TransportOnWorld& operator=(const TransportOnWorld&) = delete;
  ~TransportOnWorld() {
    // No rank may leave while others still wait for its messages.
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    for (int done = 0; done == 0; MPI_Test(&request, &done, MPI_STATUS_IGNORE)) transport_->progress();
    transport_.reset();
    MPI_Comm_free(&communicator_);
  }

  MpiTransport* operator->() { return &*transport_; }
  MpiTransport& operator*() { return *transport_; }

 private:
  static MPI_Comm duplicate() {
    MPI_Comm communicator = MPI_COMM_NULL;
    MPI_Comm_dup(MPI_COMM_WORLD, &communicator);
    return communicator;
  }

  MPI_Comm communicator_;
  std::optional<MpiTransport> transport_;
};

}  // namespace joblib_mpi::test
