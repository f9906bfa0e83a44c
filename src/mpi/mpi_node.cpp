#include "mpi/mpi_node.hpp"

#include "mpi/mpi_check.hpp"
#include "segments/node_socket.hpp"

#include <boost/mpi/communicator.hpp>

#include <array>
#include <cstdio>
#include <optional>
#include <random>
#include <string>

namespace joblib_mpi {
namespace {

using SocketName = std::array<char, 48>;

/// Returns a unique name that other users cannot guess.
SocketName new_name() {
  std::random_device random;
  SocketName name{};
  std::snprintf(name.data(), name.size(), "joblib_mpi.%08x%08x%08x", random(), random(), random());
  return name;
}

boost::mpi::communicator ranks_of_node(MPI_Comm communicator) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank");
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node), "MPI_Comm_split_type");
  return {node, boost::mpi::comm_take_ownership};
}

}  // namespace

NodeMeeting meet_node(MPI_Comm communicator) {
  const boost::mpi::communicator node = ranks_of_node(communicator);
  NodeMeeting meeting;
  bool is_node_head = node.rank() == 0;
  std::optional<NodeSocket> entrance;
  SocketName name{};
  if (is_node_head && node.size() > 1) {
    name = new_name();
    entrance = NodeSocket::listen(name.data());
    if (!entrance) name = {};
  }
  check_mpi(MPI_Bcast(name.data(), static_cast<int>(name.size()), MPI_CHAR, 0, node), "MPI_Bcast");
  if (!is_node_head && name[0] != '\0') meeting.head = NodeSocket::connect(name.data());
  // After the barrier, all ranks that could connect are in the queue of the listening socket.
  check_mpi(MPI_Barrier(node), "MPI_Barrier");
  if (entrance) meeting.members = entrance->accept_all();
  if (!is_node_head && !meeting.head.open()) is_node_head = true;

  int rank = 0;
  check_mpi(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_split(communicator, is_node_head ? 0 : MPI_UNDEFINED, rank, &meeting.heads), "MPI_Comm_split");
  return meeting;
}

}  // namespace joblib_mpi
