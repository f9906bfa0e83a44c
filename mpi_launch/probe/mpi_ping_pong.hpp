#pragma once

#include <mpi.h>

#include <cstddef>

namespace joblib_mpi::launch {

/// The speed of the link to another rank.
struct LinkSpeed {
  double latency_microseconds = 0;  ///< one way: half of the median round trip of 8 bytes
  double megabytes_per_second = 0;  ///< of the fastest large message, its short answer included
};

/// Measures the link to `rank`, which must call answer_ping_pong at the same time; `bytes` is the size of large
/// messages. Uses blocking MPI calls, so that the cost of a core that two ranks share shows. Takes about
/// `limit_seconds` if the link works and never returns if it does not: the caller must guard the call.
[[nodiscard]] LinkSpeed measure_link(MPI_Comm communicator, int rank, std::size_t bytes, double limit_seconds);

/// Answers the messages of measure_link on `rank`; returns when `rank` has finished. `bytes` must be equal on both
/// ranks.
void answer_ping_pong(MPI_Comm communicator, int rank, std::size_t bytes);

}  // namespace joblib_mpi::launch
