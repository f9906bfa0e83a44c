#pragma once

#include "core/wake_flag.hpp"
#include "executor/executor_port.hpp"
#include "executor/shared_region.hpp"
#include "segments/descriptor.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <variant>

namespace joblib_mpi {

/// The functions to call around each fork; empty ones are skipped. For Python they are PyOS_BeforeFork,
/// PyOS_AfterFork_Parent and PyOS_AfterFork_Child.
struct ForkHooks {
  std::function<void()> before;
  std::function<void()> in_parent;
  std::function<void()> in_child;
};

struct ZygoteOptions {
  ForkHooks hooks;
  /// Runs once in the zygote, so that every executor has what it loads. SIGCHLD is blocked while it runs.
  std::function<void()> prepare;
};

/// A process that forks the rank's executors, one at a time. It is forked before MPI_Init and before there are threads,
/// so neither MPI nor its pinned memory is ever in a process that runs user code.
///
/// A zygote that is killed after it was prepared is started again by a second process, which waits for that as it was
/// forked (ZygoteKeeper). Its executor has then ended with it.
///
/// When the rank ends, for any reason, the zygote ends the executor and all processes that the executor has started.
/// The zygote has no OMPI_*, PMIX_* and PMI_* in its environment, so a program that a task starts does not take itself
/// for the rank.
///
/// An executor process has the default actions for SIGTERM and SIGHUP; SIGINT, which asks the running task to end, is
/// ignored until the process installs a handler (see ExecutorPort::interrupt_requested). Its standard input is empty,
/// its output is the rank's.
class Zygote {
 public:
  /// Returns in the rank with the zygote, and in each executor process with its port. An executor process must never
  /// continue with the rank's own work: it runs the tasks of its port and ends. May be called once per process, with no
  /// other thread running.
  static std::variant<std::unique_ptr<Zygote>, std::unique_ptr<ExecutorPort>> fork(ZygoteOptions options);

  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;
  /// Ends the executor and the zygote.
  ~Zygote();

  /// Waits until `prepare` is done. Throws Error with its text if it has failed, or if the zygote has ended.
  void wait_until_prepared();
  /// Returns why no more executors can be started, if that is so. Costs a system call. Starts the zygote again if it
  /// was killed.
  [[nodiscard]] std::optional<std::string> failure();

  /// Returns the flag that wakes the thread that uses this object, for its IdleWaiter.
  [[nodiscard]] WakeFlag& worker_wake_flag() noexcept { return region_->worker_wake; }

  // For IsolatedExecutor. Each function names its executor by generation, so that a command for a dead one never
  // reaches the next.
  [[nodiscard]] SharedRegion& region() noexcept { return *region_; }
  /// Forks an executor that has the other end of `socket`'s pair, and returns its generation. The previous executor
  /// must have exited.
  [[nodiscard]] std::uint32_t start_executor(Descriptor socket);
  void interrupt_executor(std::uint32_t generation);
  void kill_executor(std::uint32_t generation);
  /// Kills the zygote, and with it its executor, because it does not do what it was asked to. `failure` then starts it
  /// again.
  void kill_zygote();
  /// Watches the executor's memory from now on, for as long as the region holds a limit.
  void watch_memory(std::uint32_t generation);

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] pid_t keeper_pid() const noexcept { return keeper_pid_; }

 private:
  Zygote(SharedRegionPointer region, Descriptor commands, pid_t pid, Descriptor keeper, pid_t keeper_pid);
  /// Has the keeper fork a new zygote. Returns false if that cannot be.
  [[nodiscard]] bool start_again();
  void end_keeper();

  SharedRegionPointer region_;
  Descriptor commands_;
  pid_t pid_;
  Descriptor keeper_;
  const pid_t keeper_pid_;
  std::uint32_t last_generation_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace joblib_mpi
