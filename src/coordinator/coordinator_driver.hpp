#pragma once

#include "coordinator/coordinator.hpp"
#include "core/idle_waiter.hpp"
#include "core/settings.hpp"
#include "core/wake_flag.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// Finished tasks on their way to the thread that wants them. Only the driver touches it, under its lock.
class ResultInbox final : public CompletionSink {
 public:
  void finished(FinishedTask task) override { tasks_.push_back(std::move(task)); }

 private:
  friend class CoordinatorDriver;
  std::vector<FinishedTask> tasks_;
};

/// Lets several threads use one coordinator. It moves on whenever one of them calls `drive` or `wait`; a thread that
/// waits while another drives gets its results all the same.
class CoordinatorDriver {
 public:
  using Clock = std::chrono::steady_clock;

  CoordinatorDriver(Coordinator& coordinator, const Settings& settings, bool has_own_core)
      : coordinator_(&coordinator),
        settings_(settings),
        has_own_core_(has_own_core),
        turns_between_checks_(turns_between_checks(settings)) {}

  /// The tasks that a thread which drives in a loop should be woken for.
  enum class WakeFor { every_task, everything_else };
  /// Notifies `flag` whenever there is something to do that was asked for from outside `drive` and `wait`: the flag of
  /// a thread that drives in a loop. With `everything_else`, a new task does not wake it: then its submitter soon
  /// drives. `flag` must outlive the driver's use. To be called before any other thread uses the driver.
  void wake(WakeFlag& flag, WakeFor wake_for) noexcept {
    wake_flag_ = &flag;
    wake_for_ = wake_for;
  }

  // For any thread. These wait for a turn that another thread takes, and make no MPI call: `drive` does what they ask
  // for. `start_call` may make a folder for large results, `end_call` may write their index file.
  [[nodiscard]] CallId start_call(const CallOptions& options, CompletionSink& sink);
  void submit(CallId call, TaskRequest request);
  void stop_starting(CallId call);
  void end_call(CallId call);
  [[nodiscard]] ObjectId share(Payload value);
  void drop(ObjectId object);
  [[nodiscard]] ObjectStats object_stats();
  [[nodiscard]] bool results_fill_memory(CallId call);

  /// Ends the use of the coordinator, which is about to go: from now on `start_call`, `submit`, `share`, `object_stats`
  /// and `wait` throw UsageError, the others do nothing.
  void close() noexcept;

  // The calling thread makes MPI calls.

  /// Gives a worker up, see Coordinator.
  void lose(WorkerId worker, std::string reason);

  /// One turn; true if there was something to do.
  bool drive();
  /// Submits one of many tasks, and takes a turn if it is time. A `drive` or `wait` must follow the last.
  void submit_and_drive(CallId call, TaskRequest request);
  /// Drives until something has come and moves it to `results`, which must be empty. False after the deadline.
  [[nodiscard]] bool wait(ResultInbox& inbox, std::vector<FinishedTask>& results,
                          std::optional<Clock::time_point> deadline);
  /// Asks the workers to leave and drives until they have, for `seconds` at most. Returns those that have not.
  [[nodiscard]] std::vector<ServingWorker> stop_workers(const to_worker::Stop& stop, double seconds);

 private:
  /// Workers are checked once in so many turns, so that a turn need not read the clock, and even if each turn waits as
  /// long as it may, sixteen times per heartbeat.
  [[nodiscard]] static unsigned turns_between_checks(const Settings& settings) {
    return static_cast<unsigned>(std::clamp(settings.heartbeat_seconds / 16 / settings.max_sleep_seconds, 1.0, 64.0));
  }
  /// The coordinator, for a function that needs one. Throws UsageError after `close`. The lock must be held.
  [[nodiscard]] Coordinator& coordinator(const char* function) const;
  void notify() noexcept {
    if (wake_flag_ != nullptr) wake_flag_->notify();
  }
  /// One turn. The lock must be held.
  bool take_turn(Coordinator::Outlook outlook = Coordinator::Outlook::nothing_known);

  std::mutex mutex_;
  Coordinator* coordinator_;  // null once it is closed
  WakeFlag* wake_flag_ = nullptr;
  WakeFor wake_for_ = WakeFor::every_task;
  const Settings settings_;
  const bool has_own_core_;
  const unsigned turns_between_checks_;
  unsigned turns_ = 0;
  unsigned submitted_ = 0;
};

}  // namespace joblib_mpi
