#pragma once

#include "coordinator/heartbeat.hpp"
#include "coordinator/lost_worker.hpp"
#include "coordinator/object_table.hpp"
#include "coordinator/outbox.hpp"
#include "coordinator/task_table.hpp"
#include "core/settings.hpp"
#include "protocol/messages.hpp"
#include "scheduler/scheduler.hpp"
#include "spill/result_store.hpp"
#include "store/object_store.hpp"
#include "transport/transport.hpp"
#include <joblib_mpi/detail/call_options.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

struct FinishedTask {
  CallId call;
  std::uint64_t ticket;  ///< of its TaskRequest
  WorkerId worker;       ///< of the last attempt; 0 if there was none
  TaskEnding ending;     ///< `cancelled` only after stop_starting, never `spilled`
  unsigned attempts;
  std::string name;  ///< of its TaskRequest
  Payload result;
};

/// A worker that has not left yet, and the name of a task that it holds, if any.
struct ServingWorker {
  WorkerId worker;
  std::string task;
};

/// Where a call's tasks come back. Called from whichever thread drives the coordinator.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  virtual void finished(FinishedTask task) = 0;
};

/// Rank 0's loop: tells the scheduler what happens, and does what it decides, by messages to the workers.
///
/// Not thread-safe. Only `progress`, `check_workers`, `lose` and `stop_workers` use the transport and the store; the
/// others note what is wanted.
///
/// Broadcasts wait for all ranks, so after the first loss there are none: objects that a worker lacks are sent to it
/// alone. Nothing is ever sent to a lost worker, and nothing is taken from it.
class Coordinator {
 public:
  Coordinator(Transport& transport, ObjectStore& store, const Settings& settings);

  /// Large results of later calls go through files.
  void spill_with(ResultStore& store) noexcept { result_store_ = &store; }

  /// `sink` must stay until end_call. Throws what ResultStore::start_call does.
  [[nodiscard]] CallId start_call(const CallOptions& options, CompletionSink& sink);
  /// Does nothing if the call has ended.
  void submit(CallId call, TaskRequest request);
  /// No task of the call starts any more: those that have not come back as `cancelled`, now or from their workers. What
  /// runs goes on, for the last time. Does nothing if the call has ended.
  void stop_starting(CallId call);
  /// The sink hears nothing more of the call. What has not started is dropped, what runs is interrupted.
  void end_call(CallId call);

  [[nodiscard]] ObjectId share(Payload value);
  void drop(ObjectId object);
  /// Objects that are to be sent with the next `progress` count as under way.
  [[nodiscard]] ObjectStats object_stats() const { return objects_.stats(); }
  /// Whether results that somebody still has use up the call's memory budget, if results may spill at all.
  [[nodiscard]] bool results_fill_memory(CallId call) const {
    return result_store_ != nullptr && result_store_->memory_is_full(call);
  }

  /// Whether more tasks are about to be submitted, so that one more may join those that wait to be sent.
  enum class Outlook { more_tasks_soon, nothing_known };

  /// Takes what has arrived, passes on what is decided. True if there was anything to do. Never waits.
  ///
  /// With `more_tasks_soon`, tasks stay here while they fit into a message with the next ones, unless their worker is
  /// about to run out of work. They are tiny ones: others are never assigned ahead. Another `progress` must follow.
  bool progress(Outlook outlook = Outlook::nothing_known);
  /// Whether something is decided that should not wait, even with `more_tasks_soon`.
  [[nodiscard]] bool is_urgent() const noexcept { return outbox_.is_urgent(); }

  /// Asks workers for a sign of life where it is time, and gives up those that owe one for too long.
  void check_workers(Heartbeat::TimePoint now);
  /// Gives the worker up, dead or not: its tasks run elsewhere, or end as lost. Not from inside a CompletionSink.
  void lose(WorkerId worker, std::string reason);
  /// Gives the worker no more tasks; what it holds runs elsewhere. It stays otherwise.
  void retire(WorkerId worker, std::string reason);
  /// All workers that were lost or retired, first to last.
  [[nodiscard]] const std::vector<LostWorker>& lost_workers() const noexcept { return lost_workers_; }
  /// `tell` hears of each loss from whichever thread drives the coordinator.
  void on_worker_lost(std::function<void(const LostWorker&)> tell) { tell_of_loss_ = std::move(tell); }

  /// From now on `check_workers` is called all the time, whatever the program does: workers may rely on being asked.
  void always_asks() noexcept { asks_always_ = true; }

  /// Asks all workers that are not lost to leave; says in `stop` whether some are.
  void stop_workers(to_worker::Stop stop);
  /// The workers that are not lost and have not said Goodbye yet.
  [[nodiscard]] std::vector<ServingWorker> serving_workers() const;
  /// Whether nothing is under way any more.
  [[nodiscard]] bool quiet() const { return transport_->quiet(); }
  [[nodiscard]] std::size_t unfinished_tasks() const noexcept { return tasks_.size(); }

 private:
  struct WorkerState {
    std::shared_ptr<const SpillPlace> spill_place = {};  // that it has been told
    bool serving = true;
    bool lost = false;
  };
  struct Call {
    CompletionSink* sink;
    TaskLimits limits;
  };

  void tell_scheduler(const SchedulerEvent& event);
  void perform(const action::Assign& action);
  void perform(const action::Complete& action);
  void perform(const action::GiveUp& action);
  void perform(const action::Withdraw& action);
  void perform(const action::Discard& action);
  void perform(const action::CancelCall& action);
  bool take_arrived();
  void handle(WorkerId worker, const to_coordinator::Hello& message);
  void handle(WorkerId worker, to_coordinator::TaskFinished&& message);
  void handle(WorkerId worker, const to_coordinator::ObjectsMissing& message);
  void handle(WorkerId, const to_coordinator::Pong&) {}
  void handle(WorkerId worker, const to_coordinator::Stuck& message);
  void handle(WorkerId worker, to_coordinator::Broken&& message);
  void handle(WorkerId worker, const to_coordinator::Goodbye& message);
  void complete(TaskTable::Entry& entry, TaskEnding ending, Payload result);
  [[nodiscard]] std::string how_lost(const TaskTable::Entry& entry) const;
  /// Where the task's result may go, for its next attempt.
  void prepare_result(WorkerId worker, to_worker::RunTask& task);
  /// Turns a result of which only the handle came into the result itself, or into the reason why there is none.
  void receive_result(to_coordinator::TaskFinished& message, const TaskTable::Entry& entry);
  void end_broadcasts();
  void remove(TaskId task);
  [[nodiscard]] WorkerState& state(WorkerId worker) { return workers_[static_cast<std::size_t>(worker.value)]; }
  [[nodiscard]] const WorkerState& state(WorkerId worker) const {
    return workers_[static_cast<std::size_t>(worker.value)];
  }
  bool flush(Outlook outlook);

  Transport* transport_;
  ObjectStore* store_;
  ResultStore* result_store_ = nullptr;  // null: nothing spills
  Scheduler scheduler_;
  SchedulerActions actions_;

  TaskTable tasks_;
  to_coordinator::TaskFinished* finishing_ = nullptr;  // the message that the scheduler hears of just now
  std::unordered_map<CallId, Call> calls_;
  ObjectTable objects_;
  Outbox outbox_;
  std::vector<WorkerState> workers_;  // by rank; rank 0's is unused
  bool asks_always_ = false;
  bool broadcasts_ended_ = false;

  Heartbeat heartbeat_;
  struct StuckTask {
    WorkerId worker;
    TaskId task;
  };
  struct BrokenWorker {
    WorkerId worker;
    std::string reason;
  };
  std::vector<StuckTask> stuck_;  // workers are lost once their messages are no longer being read
  std::vector<BrokenWorker> broken_;
  std::optional<TaskId> timed_out_;  // what the worker that is being lost was running, if it is known
  std::vector<LostWorker> lost_workers_;
  std::function<void(const LostWorker&)> tell_of_loss_;
  std::uint64_t calls_started_ = 0;
};

}  // namespace joblib_mpi
