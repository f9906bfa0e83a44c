#pragma once

#include <joblib_mpi/detail/spill_options.hpp>

#include <cstdint>

namespace joblib_mpi {

/// The options of one `Parallel` call, resolved: what a backend and the coordinator work with. See ParallelOptions.
struct CallOptions {
  int n_jobs = 1;                        ///< tasks that run at a time, as returned by Backend::effective_n_jobs
  unsigned retries = 2;                  ///< further attempts after one that was lost or timed out
  bool retry_exceptions = false;         ///< also retries tasks that throw
  double task_timeout_seconds = 0;       ///< for each attempt; 0 is no limit
  std::uint64_t memory_limit_bytes = 0;  ///< for the executor process; 0 is no limit
  SpillOptions spill = {};               ///< for backends whose tasks run in other processes
};

}  // namespace joblib_mpi
