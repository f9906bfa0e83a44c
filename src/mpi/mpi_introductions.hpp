#pragma once

#include <mpi.h>

#include <string>
#include <vector>

namespace joblib_mpi {

/// What all ranks know of each other from the start.
struct RankDirectory {
  std::vector<std::string> hosts;  ///< by rank
  std::string rank_0_process;      ///< see process_watch.hpp
};

/// Lets all ranks of `communicator` tell rank 0 what they run and where.
///
/// All ranks must call it, but no rank waits longer than `limit_seconds` (the others a moment longer than rank 0, whose
/// verdict they want) for one that does not: then all that did throw MpiError, which names the missing ranks. Throws
/// VersionMismatch on every rank if an `identity` differs from rank 0's.
[[nodiscard]] RankDirectory introduce_ranks(MPI_Comm communicator, const std::string& host, const std::string& identity,
                                            double limit_seconds);

}  // namespace joblib_mpi
