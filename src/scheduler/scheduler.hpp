#pragma once

#include "core/ids.hpp"
#include "scheduler/actions.hpp"
#include "scheduler/credits.hpp"
#include "scheduler/events.hpp"
#include "scheduler/ready_queue.hpp"
#include "scheduler/retry_policy.hpp"
#include "scheduler/return_requests.hpp"
#include "scheduler/turns.hpp"
#include "scheduler/worker_table.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// About the time from a request to its answer, if both ranks are asleep; a lull lasts so long. Chosen, not measured.
constexpr double seconds_of_a_message = 0.2e-3;

struct SchedulerOptions {
  double prefetch_seconds = 5e-3;
  double most_prefetch_seconds_for_good = 0.5e-3;  ///< For workers that give nothing back.
  double longest_ahead = 40;  ///< Of tasks that take less than this many `prefetch_seconds`, one is held ahead.
  std::size_t max_credits = 32;
};

/// Decides which worker runs which task, and does nothing else: it does no I/O, reads no clock and starts no thread.
/// Equal sequences of events give equal actions.
///
/// Tasks of one call start in the order of their submission, except that tasks which run again come first. The owners
/// of calls take turns, and so do the calls of each. A call never has tasks on more workers at a time than its
/// `max_running`.
///
/// When a worker is lost, the scheduler does not know which of its tasks was running and may have caused the loss. It
/// charges each of them one attempt and treats each as a suspect from then on. A suspect runs alone: its worker holds
/// no other task at that time. A task that has one attempt left after failed attempts also runs alone, so that no other
/// task can cost it that attempt. A task of a call without retries is not held ahead.
///
/// What a worker holds ahead of the running task is taken back when another worker is idle and nothing is ready for it,
/// and when another call has tasks ready. A task that comes back has not had an attempt and keeps its place. Tasks that
/// will start sooner than a message arrives are left alone unless there is a lull. Where nothing is held ahead, running
/// batches are divided: the items that have not begun become tasks of their own, in the place of their batch.
///
/// A task that one worker alone may run starts before all others once that worker holds nothing. It is given up if that
/// worker is lost, even with attempts left.
///
/// Once the last worker is lost, all tasks are given up, including those submitted later, until another worker joins.
class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options = {}) : options_(options) {}

  /// Handles the event and appends the resulting actions to `actions`, which belongs to the caller.
  void handle(const SchedulerEvent& event, SchedulerActions& actions);

  [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }
  /// Returns whether a worker holds tasks that it will be asked for if there is a lull.
  [[nodiscard]] bool waits_for_lull() const noexcept { return waits_for_lull_; }

 private:
  struct Call {
    CallId id;
    std::size_t max_running;
    RetryPolicy retry;
    Credits credits;
    ReadyQueue ready = {};
    ReadyQueue ready_alone = {};          // tasks that may not share their worker with another
    ReadyQueue ready_pinned = {};         // tasks that one worker alone may run
    std::vector<std::size_t> held = {};   // the number of this call's tasks that each worker holds, by worker id
    std::vector<std::size_t> items = {};  // the number of items in these tasks, by worker id
    std::size_t holders = 0;              // the number of workers that hold any
    bool stopped = false;
    bool ended = false;

    [[nodiscard]] bool has_ready() const noexcept { return !ready.empty() || !ready_alone.empty(); }
    [[nodiscard]] std::array<ReadyQueue*, 3> queues() { return {&ready_pinned, &ready_alone, &ready}; }
  };
  struct Task {
    TaskId id;
    CallId call;
    std::optional<WorkerId> only_on = {};
    WorkerId worker{};                       // the worker that holds the task, or did last
    std::optional<WorkerId> failed_on = {};  // the worker of the last failed attempt
    unsigned attempts = 0;
    std::uint64_t number = 0;  // in the order of submission
    std::size_t items = 1;     // those of which other workers may take some, and the first
    bool held = false;
    bool alone = false;
  };

  void on(const event::WorkerJoined& event, SchedulerActions& actions);
  void on(const event::WorkerLost& event, SchedulerActions& actions);
  void on(const event::CallStarted& event, SchedulerActions& actions);
  void on(const event::TaskSubmitted& event, SchedulerActions& actions);
  void on(const event::TaskFinished& event, SchedulerActions& actions);
  void on(const event::CallStopped& event, SchedulerActions& actions);
  void on(const event::CallEnded& event, SchedulerActions& actions);
  void on(const event::WorkerGivesBack& event, SchedulerActions& actions);
  void on(const event::TasksReturned& event, SchedulerActions& actions);
  void on(const event::Lull& event, SchedulerActions& actions);

  void assign_ready(SchedulerActions& actions);
  void assign_pinned(Call& call, SchedulerActions& actions);
  bool assign_next(Call& call, SchedulerActions& actions);
  [[nodiscard]] std::optional<WorkerId> worker_for(const Call& call, const Task& task) const;
  [[nodiscard]] std::size_t most_held(const Call& call) const;
  [[nodiscard]] bool others_wait(const Call& call) const;
  enum class Worth { if_it_takes_time, in_any_case };
  void take_back(Worth worth, SchedulerActions& actions);
  void take_back(const Call& call, Worth worth, SchedulerActions& actions);
  [[nodiscard]] std::size_t wanted_by_idle(const Call& call) const;
  struct Holder {
    WorkerId worker;
    std::size_t waiting = 0;
  };
  [[nodiscard]] Holder most_waiting(const Call& call) const;
  void divide_batches(const Call& call, Worth worth, std::size_t wanted, SchedulerActions& actions);
  [[nodiscard]] Holder most_items(const Call& call) const;
  void take_parts(const event::BatchDivided& divided, SchedulerActions& actions);
  void put_back(Call& call, const Task& task, SchedulerActions& actions);
  void set_items(Call& call, Task& task, std::size_t items);
  void count_items(Call& call, const Task& task, int sign);
  static void cancel_at_workers(const Call& call, WhatRuns running, SchedulerActions& actions);
  void run_again(Call& call, Task& task);
  void give_up_pinned(WorkerId worker, SchedulerActions& actions);
  void give_up_all(SchedulerActions& actions);
  void take(Call& call, Task& task, WorkerId worker);
  void release(Call& call, Task& task);
  [[nodiscard]] Call& call_of(CallId id);
  void forget(CallId id);

  SchedulerOptions options_;
  WorkerTable workers_;
  bool all_lost_ = false;    // the last worker was lost and none has joined since
  std::vector<Call> calls_;  // a handful at most
  Turns turns_;
  std::vector<Task> tasks_;  // by slot
  std::uint64_t submitted_ = 0;
  std::size_t batches_held_ = 0;  // tasks that workers hold and other workers may take items of
  ReturnRequests requests_;
  bool waits_for_lull_ = false;
};

}  // namespace joblib_mpi
