#pragma once

#include "segments/descriptor.hpp"

#include <mpi.h>

#include <vector>

namespace joblib_mpi {

/// Where a rank stands among those of its node.
struct NodeMeeting {
  /// The heads of all nodes, which are each node's first rank; rank 0 is the first. To be freed by its new owner.
  /// MPI_COMM_NULL on the others.
  MPI_Comm heads = MPI_COMM_NULL;
  std::vector<Descriptor> members;  ///< a node head's sockets to the others of its node
  Descriptor head;                  ///< the others' socket to their node head
};

/// Lets the ranks of each node meet at a Unix socket in the abstract namespace, of which nothing is left behind.
/// Collective. A rank that cannot reach its node head, as from another container, is a node of its own. Throws
/// MpiError.
[[nodiscard]] NodeMeeting meet_node(MPI_Comm communicator);

}  // namespace joblib_mpi
