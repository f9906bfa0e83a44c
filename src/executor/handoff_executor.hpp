#pragma once

#include "core/wake_flag.hpp"
#include "executor/executor.hpp"
#include "executor/large_results.hpp"
#include "executor/task_port.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace joblib_mpi {

/// Hands each task to another thread of this process, which stays in a loop of `next_task` and `finish`: Python's main
/// thread, while the worker keeps answering rank 0. A task whose time is up is interrupted once; if it does not obey,
/// it goes on to its end.
class HandoffExecutor final : public Executor, public TaskPort {
 public:
  /// `worker` is notified when a task is done. `interrupt_thread` makes the other thread look at
  /// `interrupt_requested`; the worker's thread calls it.
  HandoffExecutor(WakeFlag& worker, std::function<void()> interrupt_thread);

  /// Large results go to files, as their tasks' limits say. Before the first task.
  void spill_with(const ResultFormat& format) { large_results_.spill_with(format); }

  // The worker's side.
  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override;
  void forget(ObjectId object) override;
  /// Makes `next_task` return nothing, now and ever after.
  void close();

  // The other thread's side.
  [[nodiscard]] Work next_task() override;
  void finish(ExecutedTask task) override;
  [[nodiscard]] bool interrupt_requested() const noexcept override { return interrupt_requested_.load(); }

 private:
  enum class State : int { empty, ready, running, finished, closed };

  WakeFlag* worker_;
  std::function<void()> interrupt_thread_;

  // `state_` says whose the task and the result are: the worker's in empty and finished, otherwise the other thread's.
  std::atomic<State> state_{State::empty};
  std::optional<ExecutorTask> task_;
  std::optional<ExecutedTask> result_;
  std::atomic<bool> interrupt_requested_{false};

  // The worker's alone: when the running task's time is up, and its limit in seconds.
  std::optional<std::chrono::steady_clock::time_point> time_is_up_;
  double limit_seconds_ = 0;
  bool timed_out_ = false;

  // The other thread's alone.
  LargeResults large_results_;
  TaskLimits limits_;  // of the running task
  ResultPlace place_;  // of its result

  std::mutex mutex_;  // of forgotten_ and of falling asleep
  std::condition_variable wake_;
  std::vector<ObjectId> forgotten_;
};

}  // namespace joblib_mpi
