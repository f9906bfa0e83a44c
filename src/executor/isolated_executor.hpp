#pragma once

#include "executor/executor.hpp"
#include "executor/message_channel.hpp"
#include "executor/process_wear.hpp"
#include "executor/zygote.hpp"
#include "segments/segment_pool.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace joblib_mpi {

/// Runs tasks one after another in a process beside the rank. If that process ends, for any reason, the task comes back
/// as lost, with the reason, and a new process takes the next task.
///
/// A process that has run many tasks or has grown is replaced between two tasks, so that what tasks leave in it, such
/// as open files, memory and changed modules, does not reach all later ones.
///
/// An interrupt, or the end of a task's time, sends SIGINT, and SIGKILL after a grace period.
class IsolatedExecutor final : public Executor {
 public:
  struct Options {
    /// The time between the interrupt of a task and the end of its process. Chosen, not measured.
    double grace_seconds = 0.5;
    /// The time after which a zygote is killed that does not report the end of an executor. Chosen, not measured: it
    /// may wait for three seconds for processes that the executor has left behind.
    double zygote_seconds = 15;
    /// The wear at which a process that has run tasks is replaced by a new one.
    ProcessWear::Limits wear = {};
  };

  /// Makes executors read what lies in `pool` without a copy. `zygote` and `pool` must outlive this object. The
  /// worker's IdleWaiter should wait on `zygote.worker_wake_flag()`.
  IsolatedExecutor(Zygote& zygote, SegmentPool& pool, Options options);
  /// Lets an executor without a task exit; waits at most for the grace period.
  ~IsolatedExecutor() override;

  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override;
  [[nodiscard]] ItemRange take_back_items(ItemSeekers seekers) override;
  [[nodiscard]] bool wants_spill_folder() const override { return running_ && running_->wants_spill_folder; }
  void give_spill_folder(std::shared_ptr<const SpillPlace> place) override;
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
    bool wants_spill_folder = false;
    std::optional<Clock::time_point> passed_on_at = {};  // set if the task has a time limit
    std::optional<Clock::time_point> kill_at = {};
  };

  void start_executor();
  bool wait_for_exit(std::chrono::nanoseconds longest);
  void pass_on();
  std::optional<ExecutedTask> receive();
  std::optional<ExecutedTask> after_exit();
  std::optional<ExecutedTask> look_at_clock();
  void press(Clock::time_point now);
  void kill_executor(Clock::time_point now);
  /// Asks the executor, which has no task, to exit; the next task goes to a new one.
  void retire_executor(Clock::time_point now);
  /// Kills the zygote if it has not reported the end of the executor for too long.
  void look_at_end(Clock::time_point now);
  [[nodiscard]] bool over_time(Clock::time_point now) const;
  [[nodiscard]] std::string exit_text() const;
  /// Returns the running task as one that ended without returning a result.
  [[nodiscard]] ExecutedTask ended(TaskEnding ending, std::string_view text);
  [[nodiscard]] ExecutedTask timed_out();
  /// Ends the executor because its connection with the rank is broken.
  void give_up_executor(std::string text);

  Zygote* zygote_;
  SegmentPool* pool_;
  SharedRegion* region_;
  const std::chrono::nanoseconds grace_;
  const std::chrono::nanoseconds zygote_patience_;

  std::uint32_t generation_ = 0;
  std::optional<MessageChannel> channel_;          // to the executor of this generation
  std::unordered_set<ObjectId> shared_;            // objects that the executor has
  std::shared_ptr<const SpillPlace> spill_place_;  // the place that the executor was told last
  std::string broken_;                             // why the executor was given up; empty if it was not
  Clock::time_point executor_started_;
  std::optional<Clock::time_point> executor_ending_;  // when the executor was killed, or seen to have ended
  ProcessWear wear_;
  std::optional<Clock::time_point> executor_retired_;  // when it was asked to exit
  int exits_before_taking_ = 0;                        // counts executors in a row
  std::optional<std::string> no_more_executors_;

  std::uint64_t last_number_;  // counts on across executors
  std::optional<RunningTask> running_;
  unsigned looks_ = 0;
  Clock::time_point zygote_seen_;
};

}  // namespace joblib_mpi
