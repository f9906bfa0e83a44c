#pragma once

#include "executor/executor_port.hpp"
#include "executor/rank_watch.hpp"
#include "executor/shared_region.hpp"
#include "executor/zygote.hpp"
#include "segments/descriptor.hpp"

#include <cstdint>
#include <memory>
#include <signal.h>
#include <sys/types.h>

namespace joblib_mpi {

/// A request of the rank to its keeper; with `start` comes the zygote's socket.
enum class KeeperRequest : std::uint8_t { start, kill };

/// The side of the keeper: the parent of the zygote, which forks it, and forks another one after its death. When the
/// rank ends, the keeper kills a zygote that does not leave, and ends.
class ZygoteKeeper {
 public:
  /// Must be called in the keeper, right after its fork.
  ZygoteKeeper(SharedRegion& region, Descriptor requests, ZygoteOptions options, pid_t rank_process);

  /// Serves the rank; returns only in executor processes.
  [[nodiscard]] std::unique_ptr<ExecutorPort> run();

 private:
  void wait_for_event();
  /// Handles the rank's requests; returns true in a new zygote.
  [[nodiscard]] bool handle_requests();
  [[nodiscard]] bool fork_zygote();
  void reap();
  [[noreturn]] void end_with_rank();

  SharedRegion* region_;
  Descriptor requests_;
  ZygoteOptions options_;
  RankWatch rank_;
  sigset_t mask_before_{};
  Descriptor child_signals_;
  pid_t zygote_ = 0;  // 0: none
  Descriptor zygote_socket_;
};

}  // namespace joblib_mpi
