#pragma once

#include "mpi/mpi_node.hpp"
#include "segments/wake_page.hpp"

#include <map>

namespace joblib_mpi {

/// The flags of the ranks of this node with which this rank is connected, by rank.
using NodeWakePages = std::map<int, WakePage>;

/// Gives the connected ranks this rank's page and takes theirs; all of them must call it. A rank that has ended, and a
/// page that this process cannot map, are left out.
[[nodiscard]] NodeWakePages exchange_wake_pages(const NodeMeeting& meeting, int rank, const OwnWakePage& own);

}  // namespace joblib_mpi
