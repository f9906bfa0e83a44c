#include "transport/mpi_peers.hpp"

#include "mpi/mpi_check.hpp"
#include "mpi/mpi_failures.hpp"

#include <utility>

namespace joblib_mpi {
namespace {

/// The size in bytes from which a piece shows that the other rank is alive: MPI sends shorter ones before the receiver
/// has asked for them (up to 64 KiB over TCP in Open MPI 4.1 and 5).
constexpr std::size_t shortest_sign_of_life = std::size_t{128} << 10;

}  // namespace

MpiPeers::MpiPeers(MPI_Comm communicator, int size)
    : communicator_(communicator),
      lost_(static_cast<std::size_t>(size)),
      wake_flags_(lost_.size()),
      heard_(lost_.size()) {}

bool MpiPeers::check(int code, const char* operation) {
  if (code == MPI_SUCCESS) return true;
  if (!is_rank_failure(code)) check_mpi(code, operation);
  death_suspected_ = true;
  return false;
}

MpiPeers::Outcome MpiPeers::test(MPI_Request& request, MPI_Status* status) {
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

std::vector<int> MpiPeers::find_dead() {
  death_suspected_ = false;
  std::vector<int> found;
  for (const int rank : dead_ranks(communicator_)) {
    if (is_lost(rank)) continue;
    lose(rank);
    found.push_back(rank);
  }
  return found;
}

void MpiPeers::lose(int rank) {
  lost_[static_cast<std::size_t>(rank)] = true;
  any_lost_ = true;
}

void MpiPeers::hear_of(int rank, std::size_t piece_bytes) {
  if (piece_bytes < shortest_sign_of_life) return;
  heard_[static_cast<std::size_t>(rank)] = true;
  any_heard_ = true;
}

std::vector<int> MpiPeers::take_heard() {
  if (!std::exchange(any_heard_, false)) return {};
  std::vector<int> ranks = marked(heard_);
  heard_.assign(heard_.size(), false);
  return ranks;
}

std::vector<int> MpiPeers::marked(const std::vector<bool>& by_rank) {
  std::vector<int> ranks;
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    if (by_rank[rank]) ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

}  // namespace joblib_mpi
