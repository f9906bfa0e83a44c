#pragma once

#include "executor/executor.hpp"
#include "executor/message_channel.hpp"
#include "executor/zygote.hpp"
#include "segments/segment_pool.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace joblib_mpi {

/// Runs tasks in a process beside the rank, one after another in the same. Whatever ends that process, the task comes
/// back as lost, with the reason, and another process takes the next one.
///
/// An interrupt, and the end of a task's time, are a SIGINT first and after a grace period SIGKILL.
class IsolatedExecutor final : public Executor {
 public:
  struct Options {
    /// Between the interrupt of a task and the end of its process. Chosen, not measured.
    double grace_seconds = 0.5;
  };

  /// What lies in `pool` reaches the executor without a copy. Both must outlive this. The worker's IdleWaiter should
  /// work on `zygote.worker_wake_flag()`.
  IsolatedExecutor(Zygote& zygote, SegmentPool& pool, Options options);
  /// Lets an executor without a task leave by itself; waits for it no longer than the grace period.
  ~IsolatedExecutor() override;

  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override;
  [[nodiscard]] std::optional<std::string> broken() const override;
  void forget(ObjectId object) override;
  void reclaim() override;

 private:
  using Clock = std::chrono::steady_clock;

  struct RunningTask {
    ExecutorTask task;  // kept for another executor until one has taken it
    std::uint64_t number;
    bool passed_on = false;
    bool interrupted = false;
    bool timed_out = false;
    std::optional<Clock::time_point> passed_on_at = {};  // if it has a time limit
    std::optional<Clock::time_point> kill_at = {};
  };

  void start_executor();
  bool wait_for_exit(std::chrono::nanoseconds longest);
  void pass_on();
  std::optional<ExecutedTask> receive();
  std::optional<ExecutedTask> after_exit();
  std::optional<ExecutedTask> look_at_clock();
  void press(Clock::time_point now);
  [[nodiscard]] bool over_time(Clock::time_point now) const;
  [[nodiscard]] std::string exit_text() const;
  /// The running task has ended without a result of its own.
  [[nodiscard]] ExecutedTask ended(TaskEnding ending, std::string_view text);
  [[nodiscard]] ExecutedTask timed_out();
  /// What is between the two is broken; ends the executor.
  void give_up_executor(std::string text);

  Zygote* zygote_;
  SegmentPool* pool_;
  SharedRegion* region_;
  const std::chrono::nanoseconds grace_;

  std::uint32_t generation_ = 0;
  std::optional<MessageChannel> channel_;          // to the executor of this generation
  std::unordered_set<ObjectId> shared_;            // that it has
  std::shared_ptr<const SpillPlace> spill_place_;  // that it knows
  std::string broken_;                             // why it was given up, if so
  Clock::time_point executor_started_;
  int exits_before_taking_ = 0;  // of executors in a row
  std::optional<std::string> no_more_executors_;

  std::uint64_t last_number_;  // also of executors before this
  std::optional<RunningTask> running_;
  unsigned looks_ = 0;
  Clock::time_point zygote_seen_;
};

}  // namespace joblib_mpi
