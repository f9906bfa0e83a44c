#pragma once

#include <mpi.h>

#include <cstddef>

namespace joblib_mpi::launch {

struct LinkSpeed {
  double latency_microseconds = 0;  ///< one way: half of a round trip of 8 bytes, the median
  double megabytes_per_second = 0;  ///< of messages of `bytes` with a short answer, the fastest
};

/// Measures the way to `rank`, which calls answer_ping_pong meanwhile. Waits as MPI itself waits, so that it shows what
/// a core that two ranks share costs. Takes about `limit_seconds` if the way works, and blocks for ever if it does not:
/// to be guarded.
[[nodiscard]] LinkSpeed measure_link(MPI_Comm communicator, int rank, std::size_t bytes, double limit_seconds);

/// The other end. Returns when `rank` is done.
void answer_ping_pong(MPI_Comm communicator, int rank, std::size_t bytes);

}  // namespace joblib_mpi::launch
