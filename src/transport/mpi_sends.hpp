#pragma once

#include "transport/mpi_message.hpp"
#include "transport/mpi_peers.hpp"
#include "transport/transport.hpp"

#include <mpi.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace joblib_mpi {

/// Sends the frames of an MpiTransport, and keeps their bytes until MPI has taken them.
class MpiSends {
 public:
  /// `communicator` and `peers` must outlive this object. What follows an eager message is sent in pieces of so many
  /// bytes.
  MpiSends(MPI_Comm communicator, MpiPeers& peers, std::size_t piece_bytes);

  [[nodiscard]] std::size_t piece_bytes() const noexcept { return piece_bytes_; }

  /// Does what Transport::send does, for a rank that is not lost.
  void send(int destination, Frame& frame);
  /// Lets go of what MPI has taken.
  void reap();
  /// Never touches the messages to `rank` again, nor frees their memory.
  void abandon(int rank);
  /// Waits until MPI has taken everything.
  void wait();
  [[nodiscard]] bool quiet() const noexcept { return eager_.empty() && large_.empty(); }

 private:
  struct EagerSend {
    int destination;
    std::unique_ptr<EagerBuffer> buffer;
    MPI_Request request;
  };
  /// A piece that MPI sends straight from where the bytes of its message lie; they are kept until MPI has taken it.
  struct LargeSend {
    int destination;
    SharedBytes bytes;
    std::size_t piece_bytes;
    MPI_Request request;
  };

  [[nodiscard]] std::unique_ptr<EagerBuffer> take_buffer();
  void send_eager(int destination, std::unique_ptr<EagerBuffer> buffer, std::size_t bytes);
  void send_large(int destination, SharedBytes bytes);
  void reap_eager();
  void reap_large();

  MPI_Comm communicator_;
  MpiPeers* peers_;
  std::size_t piece_bytes_;
  std::vector<std::unique_ptr<EagerBuffer>> spare_buffers_;
  std::deque<EagerSend> eager_;
  unsigned reaps_ = 0;
  std::vector<LargeSend> large_;
  std::vector<bool> busy_;  // by rank: the oldest large send is not done; used by reap_large
};

}  // namespace joblib_mpi
