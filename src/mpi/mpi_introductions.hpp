#pragma once

#include <mpi.h>

#include <string>
#include <vector>

namespace joblib_mpi {

/// The facts that all ranks know about each other from the start.
struct RankDirectory {
  std::vector<std::string> hosts;  ///< processor names, by rank
  std::string rank_0_process;      ///< rank 0's process, named as in process_watch.hpp
};

/// Tells rank 0 the program and host of every rank of `communicator`, and returns the hosts of all ranks.
///
/// Collective, but no rank waits longer than `limit_seconds` for one that does not call it (the other ranks wait a
/// moment longer than rank 0, whose verdict they need). Then all ranks that did call it throw MpiError, which names the
/// missing ranks. Throws VersionMismatch on every rank if an `identity` differs from rank 0's.
[[nodiscard]] RankDirectory introduce_ranks(MPI_Comm communicator, const std::string& host, const std::string& identity,
                                            double limit_seconds);

}  // namespace joblib_mpi
