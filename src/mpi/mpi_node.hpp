#pragma once

#include "segments/descriptor.hpp"

#include <mpi.h>

#include <vector>

namespace joblib_mpi {

/// The position of a rank among the ranks of its node.
struct NodeMeeting {
  /// The communicator of the node heads, which are the first ranks of all nodes; rank 0 is its first. The caller must
  /// free it. MPI_COMM_NULL on other ranks.
  MPI_Comm heads = MPI_COMM_NULL;
  std::vector<Descriptor> members;  ///< on a node head: the sockets to the other ranks of its node
  Descriptor head;                  ///< on other ranks: the socket to the node head
};

/// Connects the ranks of each node through a Unix socket in the abstract namespace, which leaves nothing behind.
/// Collective. A rank that cannot reach its node head, for example from another container, becomes a node by itself.
/// Throws MpiError.
[[nodiscard]] NodeMeeting meet_node(MPI_Comm communicator);

}  // namespace joblib_mpi
