#pragma once

#include "scheduler/actions.hpp"
#include "scheduler/credits.hpp"
#include "scheduler/events.hpp"
#include "scheduler/ready_queue.hpp"
#include "scheduler/worker_table.hpp"
#include <joblib_mpi/ids.hpp>

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
/// Tasks of one call start in the order of their submission; calls take turns. A call never has tasks on more workers
/// at a time than its `max_running`.
class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options = {}) : options_(options) {}

  /// Appends what is to be done to `actions`, which belongs to the caller.
  void handle(const SchedulerEvent& event, SchedulerActions& actions);

  [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }

 private:
  struct Call {
    Call(CallId call_id, std::size_t most_workers, Credits call_credits)
        : id(call_id), max_running(most_workers), credits(call_credits) {}

    CallId id;
    std::size_t max_running;
    Credits credits;
    ReadyQueue ready;
    std::vector<std::size_t> held;  // tasks of this call, by worker id
    std::size_t holders = 0;        // workers that hold any
    bool ended = false;
  };
  struct HeldTask {
    CallId call;
    WorkerId worker;
  };

  void on(const event::WorkerJoined& event, SchedulerActions& actions);
  void on(const event::CallStarted& event, SchedulerActions& actions);
  void on(const event::TaskSubmitted& event, SchedulerActions& actions);
  void on(const event::TaskFinished& event, SchedulerActions& actions);
  void on(const event::CallEnded& event, SchedulerActions& actions);

  void assign_ready(SchedulerActions& actions);
  bool assign_next(Call& call, SchedulerActions& actions);
  [[nodiscard]] std::optional<WorkerId> worker_for(const Call& call) const;
  void take(Call& call, WorkerId worker);
  void release(Call& call, WorkerId worker);
  [[nodiscard]] Call& call_of(CallId id);
  void forget(CallId id);

  SchedulerOptions options_;
  WorkerTable workers_;
  std::vector<Call> calls_;     // a handful at most
  std::size_t turn_ = 0;        // the call that is served next
  std::vector<HeldTask> held_;  // by task slot
};

}  // namespace joblib_mpi
