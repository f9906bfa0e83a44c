#pragma once

#include <string>

namespace joblib_mpi {

/// While it lives, SIGTERM removes a folder before it ends this process, unless the folder has a file "keep" or the
/// program has set its own action for SIGTERM. Does nothing in a fork of this process.
///
/// Batch systems cancel a job with SIGTERM and, a few milliseconds later, kill everything that it has started,
/// including a process that waits for the end of this one.
class RemovedAtSigterm {
 public:
  explicit RemovedAtSigterm(std::string folder);
  RemovedAtSigterm(const RemovedAtSigterm&) = delete;
  RemovedAtSigterm& operator=(const RemovedAtSigterm&) = delete;
  ~RemovedAtSigterm();

 private:
  const std::string folder_;
};

}  // namespace joblib_mpi
