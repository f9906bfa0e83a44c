#pragma once

#include "executor/executor_port.hpp"
#include "executor/shared_region.hpp"
#include "executor/zygote.hpp"
#include "segments/descriptor.hpp"

#include <memory>
#include <sys/types.h>

namespace joblib_mpi {

/// The side of the keeper: a process that stays as the rank was before MPI_Init, and forks the zygote again after its
/// death. The new zygote is a child of the rank, as the first one was. When the rank ends, the keeper kills a zygote
/// that does not leave, and ends.
class ZygoteKeeper {
 public:
  /// Must be called in the keeper, right after its fork. `rank_process` is its parent.
  ZygoteKeeper(SharedRegion& region, Descriptor requests, ZygoteOptions options, pid_t rank_process);

  /// Serves the rank; returns only in executor processes of zygotes that it has forked.
  [[nodiscard]] std::unique_ptr<ExecutorPort> run();

 private:
  [[noreturn]] void end_with_rank();
  /// Returns true in a new zygote, whose parent is the rank. The rank must be a subreaper at that time.
  [[nodiscard]] bool fork_zygote();

  SharedRegion* region_;
  Descriptor requests_;  // each byte comes with the zygote's socket
  ZygoteOptions options_;
  const pid_t rank_process_;
};

}  // namespace joblib_mpi
