#pragma once

#include "core/ids.hpp"
#include "scheduler/actions.hpp"
#include "scheduler/credits.hpp"
#include "scheduler/events.hpp"
#include "scheduler/ready_queue.hpp"
#include "scheduler/retry_policy.hpp"
#include "scheduler/worker_table.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace joblib_mpi {

struct SchedulerOptions {
  double prefetch_seconds = 0.5e-3;
  std::size_t max_credits = 32;
};

/// Decides which worker runs which task, and does nothing else: no I/O, no clock, no thread. The same events give the
/// same actions.
///
/// Tasks of one call start in the order of their submission, those that run again before the others; calls take turns.
/// A call never has tasks on more workers at a time than its `max_running`.
///
/// Which of the tasks of a lost worker was running, and may have caused the loss, is unknown: each is charged one
/// attempt and is a suspect from then on. A suspect runs alone: its worker holds nothing else meanwhile. So does a task
/// that has one attempt left after others failed, which nothing but itself shall cost. A task of a call without
/// retries is not held ahead.
///
/// Once the last worker is lost, all tasks are given up, also those that are submitted later, until another joins.
class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options = {}) : options_(options) {}

  /// Appends what is to be done to `actions`, which belongs to the caller.
  void handle(const SchedulerEvent& event, SchedulerActions& actions);

  [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }

 private:
  struct Call {
    CallId id;
    std::size_t max_running;
    RetryPolicy retry;
    Credits credits;
    ReadyQueue ready = {};
    ReadyQueue ready_alone = {};         // tasks that may share their worker with no other
    std::vector<std::size_t> held = {};  // tasks of this call, by worker id
    std::size_t holders = 0;             // workers that hold any
    bool stopped = false;
    bool ended = false;

    [[nodiscard]] bool has_ready() const noexcept { return !ready.empty() || !ready_alone.empty(); }
  };
  struct Task {
    TaskId id;
    CallId call;
    WorkerId worker{};  // of the last attempt, if any
    unsigned attempts = 0;
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

  void assign_ready(SchedulerActions& actions);
  bool assign_next(Call& call, SchedulerActions& actions);
  [[nodiscard]] std::optional<WorkerId> worker_for(const Call& call, const Task& task) const;
  [[nodiscard]] std::size_t most_held(const Call& call) const;
  static void cancel_at_workers(const Call& call, WhatRuns running, SchedulerActions& actions);
  void run_again(Call& call, Task& task);
  void give_up_all(SchedulerActions& actions);
  void take(Call& call, Task& task, WorkerId worker);
  void release(Call& call, Task& task);
  [[nodiscard]] Call& call_of(CallId id);
  void forget(CallId id);

  SchedulerOptions options_;
  WorkerTable workers_;
  bool all_lost_ = false;    // the last worker is
  std::vector<Call> calls_;  // a handful at most
  std::size_t turn_ = 0;     // the call that is served next
  std::vector<Task> tasks_;  // by slot
};

}  // namespace joblib_mpi
