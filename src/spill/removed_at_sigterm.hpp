#pragma once

#include <string>

namespace joblib_mpi {

/// While it lives, SIGTERM removes a folder before it ends this process; unless the folder has a file "keep", or the
/// program an action of its own for SIGTERM. In a fork of this process: nothing.
///
/// Batch systems cancel a job with SIGTERM, and kill whatever it has started a few milliseconds later, a process that
/// waits for the end of this one included.
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
