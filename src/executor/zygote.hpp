#pragma once

#include "core/wake_flag.hpp"
#include "executor/executor_port.hpp"
#include "executor/shared_region.hpp"
#include "segments/descriptor.hpp"
#include "segments/wake_page.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
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

/// A process that forks the rank's executors, one at a time, and has never initialised MPI: neither MPI nor its pinned
/// memory is ever in a process that runs user code.
///
/// Its parent is the rank's keeper (ZygoteKeeper), which the rank has forked before MPI_Init and before it had threads,
/// or another process that has loaded what executors need. A zygote that is killed after it was prepared is started
/// again by the keeper. Its executor has then ended with it.
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

  /// The files that a rank gives its keeper, to be used by `keep` in another process.
  struct Lifeline {
    Descriptor region;
    Descriptor requests;
  };
  /// Returns the zygote of this rank whose keeper is another process, once that is there; see `start`.
  [[nodiscard]] static std::pair<std::unique_ptr<Zygote>, Lifeline> with_keeper_elsewhere();
  /// Starts the zygote, in whose keeper `keep` has been called or will be soon. Throws std::system_error if it cannot
  /// be forked, and Error if the keeper has ended, or has forked nothing after `longest`: a hook may hang.
  void start(std::chrono::steady_clock::duration longest = std::chrono::seconds(30));
  /// Makes this process, which has no other thread, the keeper of the rank `rank_process`. Returns only in the rank's
  /// executor processes, as `fork` does.
  [[nodiscard]] static std::unique_ptr<ExecutorPort> keep(Lifeline lifeline, ZygoteOptions options, pid_t rank_process);

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
  [[nodiscard]] WakeFlag& worker_wake_flag() noexcept { return region_->page.wake_flag; }
  /// Returns this flag's page, which may outlive the zygote. May be called once. Throws std::system_error.
  [[nodiscard]] OwnWakePage take_wake_page() { return OwnWakePage(std::move(region_file_)); }

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

  [[nodiscard]] pid_t pid() const noexcept { return region_->zygote_pid; }
  /// Returns 0 for a keeper that is not this process's child.
  [[nodiscard]] pid_t keeper_pid() const noexcept { return keeper_child_; }

 private:
  Zygote(SharedRegionPointer region, Descriptor file, Descriptor keeper, pid_t keeper_child);
  /// Has the keeper fork a zygote. Returns false if it does not until `give_up`.
  [[nodiscard]] bool request_zygote(std::chrono::steady_clock::time_point give_up);
  /// Has the keeper fork a new zygote in place of one that was killed. Returns false if that cannot be.
  [[nodiscard]] bool start_again();
  [[nodiscard]] bool has_keeper() const;
  void ask_keeper_to_kill();
  /// Returns the status of the zygote, which has ended; nothing if that is unknown, since its keeper has ended, too.
  [[nodiscard]] std::optional<int> wait_status() const;
  void end_keeper();

  SharedRegionPointer region_;
  Descriptor region_file_;  // until it is taken
  Descriptor commands_;     // of the zygote
  Descriptor keeper_;
  const pid_t keeper_child_;  // 0: it is another process's child
  std::uint32_t last_generation_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace joblib_mpi
