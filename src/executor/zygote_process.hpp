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

/// A command of the rank to its zygote; with `start` comes the executor's socket.
struct ZygoteCommand {
  enum class Kind : std::uint32_t { start, interrupt, kill, watch_memory };
  Kind kind;
  std::uint32_t generation;
};

/// The zygote's own side: waits for commands and for the ends of processes.
class ZygoteProcess {
 public:
  /// Must be called in the zygote, right after its fork.
  ZygoteProcess(SharedRegion& region, Descriptor commands, ZygoteOptions options, RankWatch rank);

  /// Serves the rank; returns only in executor processes.
  [[nodiscard]] std::unique_ptr<ExecutorPort> run();

 private:
  void become_zygote();
  void prepare();
  void wait_for_event();
  /// Handles the rank's commands; returns true in a new executor process.
  [[nodiscard]] bool handle_commands();
  [[nodiscard]] bool fork_executor(std::uint32_t generation, Descriptor socket);
  void become_executor(pid_t zygote);
  void reap();
  void publish_exit();
  void look_at_memory();
  [[noreturn]] void leave();

  SharedRegion* region_;
  Descriptor commands_;
  ZygoteOptions options_;
  RankWatch rank_;
  sigset_t mask_before_{};
  Descriptor child_signals_;
  std::uint32_t generation_ = 0;
  pid_t executor_ = 0;  // 0: none
  Descriptor executor_socket_;
};

}  // namespace joblib_mpi
