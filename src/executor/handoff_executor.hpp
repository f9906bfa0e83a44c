#pragma once

#include "core/wake_flag.hpp"
#include "executor/executor.hpp"
#include "executor/item_claims.hpp"
#include "executor/large_results.hpp"
#include "executor/task_port.hpp"
#include "executor/task_process.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace joblib_mpi {

/// Hands each task to another thread of this process, which runs a loop of `next_task` and `finish`: Python's main
/// thread, while the worker keeps answering rank 0. A task whose time is up is interrupted once; if it does not react,
/// it runs to its end. A child that a task forks ends if it returns from the task.
class HandoffExecutor final : public Executor, public TaskPort {
 public:
  /// Notifies `worker` when a task is done. `interrupt_thread` makes the other thread check `interrupt_requested`; the
  /// worker's thread calls it.
  HandoffExecutor(WakeFlag& worker, std::function<void()> interrupt_thread);

  /// Lets large results go to files, according to their tasks' limits. Must be called before the first task; `format`
  /// must outlive this object.
  void spill_with(const ResultFormat& format) { large_results_.spill_with(format); }

  // The worker's side.
  void start(ExecutorTask task) override;
  [[nodiscard]] std::optional<ExecutedTask> take_finished() override;
  void interrupt() override;
  [[nodiscard]] ItemRange take_back_items(ItemSeekers seekers) override;
  [[nodiscard]] bool wants_spill_folder() const override { return wants_spill_folder_.load(); }
  void give_spill_folder(std::shared_ptr<const SpillPlace> place) override;
  void forget(ObjectId object) override;
  /// Makes `next_task` return nothing from now on.
  void close();

  // The other thread's side.
  [[nodiscard]] Work next_task() override;
  void finish(ExecutedTask task) override;
  [[nodiscard]] bool interrupt_requested() const noexcept override { return interrupt_requested_.load(); }
  [[nodiscard]] std::optional<std::uint32_t> next_item() override { return items_.claim(); }

 private:
  /// Waits until the worker has given the running task's result its place, or the executor is closed.
  void wait_for_spill_folder();

  enum class State : int { empty, ready, running, finished, closed };

  WakeFlag* worker_;
  std::function<void()> interrupt_thread_;

  // `state_` tells which thread owns the task and the result: the worker's in `empty` and `finished`, otherwise the
  // other one.
  std::atomic<State> state_{State::empty};
  std::optional<ExecutorTask> task_;
  std::optional<ExecutedTask> result_;
  std::atomic<bool> interrupt_requested_{false};
  std::atomic<bool> wants_spill_folder_{false};
  ItemClaims items_;  // those of the running batch

  // Only the worker's thread uses these: when the running task's time is up, its limit in seconds, and its first item.
  std::optional<std::chrono::steady_clock::time_point> time_is_up_;
  double limit_seconds_ = 0;
  bool timed_out_ = false;
  std::uint32_t first_item_ = 0;

  // Only the other thread uses these.
  TaskProcess process_;
  LargeResults large_results_;
  TaskLimits limits_;  // the limits of the running task
  ResultPlace place_;  // the place of its result; the worker's while `wants_spill_folder_`

  std::mutex mutex_;  // guards forgotten_, the place while it is wanted, and the decision to sleep
  std::condition_variable wake_;
  std::vector<ObjectId> forgotten_;
};

}  // namespace joblib_mpi
