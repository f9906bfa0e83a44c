#pragma once

#include "coordinator/file_questions.hpp"
#include "coordinator/heartbeat.hpp"
#include "coordinator/outbox.hpp"
#include "coordinator/quiet_clock.hpp"
#include "coordinator/shared_objects.hpp"
#include "coordinator/task_results.hpp"
#include "coordinator/task_table.hpp"
#include "coordinator/worker_roster.hpp"
#include "core/finished_task.hpp"
#include "core/settings.hpp"
#include "core/task_request.hpp"
#include "protocol/messages.hpp"
#include "scheduler/scheduler.hpp"
#include "store/object_store.hpp"
#include "transport/transport.hpp"
#include <joblib_mpi/detail/call_options.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// A worker that has not left yet, and the name of a task that it holds, if any.
struct ServingWorker {
  WorkerId worker;
  std::string task;
};

/// The coordinator's event loop: reports events to the scheduler and carries out its decisions by sending messages to
/// the workers.
///
/// Not thread-safe. Only `progress`, `check_workers`, `lose` and `stop_workers` use the transport and the store; the
/// other functions only record requests.
///
/// A broadcast waits for all ranks, so there are no broadcasts after the first loss: objects that a worker lacks are
/// then sent to that worker alone. A lost worker is sent nothing, and messages from it are ignored.
///
/// A worker that was only silent may come back: once it is heard of again it is sent Rejoin, and from its Hello on it
/// is a worker as before. Its messages before that are ignored.
class Coordinator {
 public:
  Coordinator(Transport& transport, ObjectStore& store, const Settings& settings);
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  /// Lets large results of later calls go through files of `store`, which must outlive the coordinator.
  void spill_with(ResultStore& store) noexcept { results_.spill_with(store); }

  /// Starts a call and returns its id. `sink` must live until end_call. `owner` is the number of a client, or 0 for the
  /// program of rank 0; owners take turns. Throws what ResultStore::start_call throws.
  [[nodiscard]] CallId start_call(const CallOptions& options, CompletionSink& sink, std::uint64_t owner = 0);
  /// Queues a task of the call. Does nothing if the call has ended.
  void submit(CallId call, TaskRequest request);
  /// Prevents further tasks of the call from starting. Tasks that have not started come back as `cancelled`, at once or
  /// from their workers. Running tasks go on but are not retried. Does nothing if the call has ended.
  void stop_starting(CallId call);
  /// Ends the call: drops its tasks that have not started, interrupts those that run, and no longer calls its sink.
  void end_call(CallId call);

  [[nodiscard]] ObjectId share(Payload value, ObjectId id = {}) { return objects_.share(std::move(value), id); }
  void drop(ObjectId object) { objects_.drop(object); }
  /// Returns the statistics of objects; those that the next `progress` will send count as under way.
  [[nodiscard]] ObjectStats object_stats() const { return objects_.stats(); }
  /// Returns whether results that are still in use fill the call's memory budget; false if results cannot spill.
  [[nodiscard]] bool results_fill_memory(CallId call) const { return results_.fill_memory(call); }

  /// Asks all workers that get tasks whether their hosts have a file of this host. Returns the number of the question,
  /// for `file_refusals` and `close_file_question`. A worker that comes back later has not been asked: see `returns`.
  [[nodiscard]] std::uint64_t ask_for_file(const FileIdentity& file);
  /// Returns the workers that have another file or none once all have answered, and closes the question.
  [[nodiscard]] std::optional<std::vector<FileRefusal>> file_refusals(std::uint64_t question) {
    return file_questions_.take(question);
  }
  /// Closes the question; workers that have not answered count as refusing.
  [[nodiscard]] std::vector<FileRefusal> close_file_question(std::uint64_t question) {
    return file_questions_.close(question);
  }

  /// Returns how many times a worker has come back after it was given up.
  [[nodiscard]] std::uint64_t returns() const noexcept { return roster_.returns(); }

  /// Returns the bytes of memory that are left on the node with the least, rank 0's node left out, as far as workers
  /// have told. Returns the largest number if there is no other node.
  [[nodiscard]] std::uint64_t room_elsewhere() const;

  /// Tells whether the caller is about to submit more tasks, which may join those that wait to be sent.
  enum class Outlook { more_tasks_soon, nothing_known };

  /// Takes the messages that have arrived and sends what has been decided. Returns true if there was anything to do.
  /// Non-blocking.
  ///
  /// With `more_tasks_soon`, tiny tasks wait here while they fit into one message with the next ones, unless their
  /// worker is about to run out of work; larger tasks are never assigned ahead. Another `progress` must follow.
  bool progress(Outlook outlook = Outlook::nothing_known);
  /// Returns whether a message is queued that should not wait, even with `more_tasks_soon`.
  [[nodiscard]] bool is_urgent() const noexcept { return outbox_.is_urgent(); }

  /// Pings workers that have been silent for some time, and gives up those that have owed an answer for too long.
  void check_workers(Heartbeat::TimePoint now);
  /// Gives the worker up for good, whether it is dead or not: its tasks run elsewhere or end as lost. Must not be
  /// called from a CompletionSink.
  void lose(WorkerId worker, std::string reason);
  /// Gives the worker up as `lose` does until it is heard of again.
  void give_up(WorkerId worker, std::string reason);
  /// Makes no broadcasts, because an earlier run on these ranks has ended them.
  void end_broadcasts() { objects_.end_broadcasts(); }
  /// Gives the worker no more tasks; the tasks that it holds run elsewhere. The worker stays in the session.
  void retire(WorkerId worker, std::string reason);
  /// Returns all workers that were lost or retired, in the order of their loss.
  [[nodiscard]] const std::vector<LostWorker>& lost_workers() const noexcept { return roster_.lost(); }
  /// Sets the function that is called for each loss, on the thread that drives the coordinator.
  void on_worker_lost(std::function<void(const LostWorker&)> tell) { roster_.on_loss(std::move(tell)); }
  /// Sets the function that is called for each worker that comes back, on the thread that drives the coordinator.
  void on_worker_back(std::function<void(WorkerId)> tell) { roster_.on_return(std::move(tell)); }

  /// Sets the function that is asked before a worker is given up that does not answer; it returns whether the worker's
  /// process is seen to work. Such a worker gets the time again.
  void ask_before_giving_up(std::function<bool(WorkerId)> is_at_work) { is_at_work_ = std::move(is_at_work); }

  /// Sets the function that is asked whether memory has run out, so that tasks that complete have to end as `no_room`.
  void ask_for_memory(std::function<bool()> is_short) { memory_is_short_ = std::move(is_short); }

  /// Promises that `check_workers` is called regularly from now on, regardless of what the program does, so that
  /// workers may take a missing ping as the loss of the coordinator.
  void always_asks() noexcept { asks_always_ = true; }

  /// Asks all workers that are not lost to leave; sets in `stop` whether ranks are lost. Workers that were given up
  /// cannot come back any more.
  void stop_workers(to_worker::Stop stop);
  /// Returns the workers that are not lost and have not said Goodbye yet.
  [[nodiscard]] std::vector<ServingWorker> serving_workers() const;
  /// Returns whether no transfer is under way.
  [[nodiscard]] bool quiet() const { return transport_->quiet(); }
  /// Returns the number of tasks that are not complete, those of ended calls that still run included.
  [[nodiscard]] std::size_t unfinished_tasks() const noexcept { return tasks_.size(); }

 private:
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
  void perform(const action::TakeBack& action);
  bool take_arrived();
  /// Tells the scheduler of a lull, if it waits for one. Returns true if so.
  bool notice_lull(bool active);
  /// Takes note of the workers with which a piece of a long message has been exchanged. Returns true if there are any.
  bool hear_of_pieces();
  /// Forgets what the worker was doing; see `lose` and `give_up`.
  void part_with(WorkerId worker, std::string reason);
  void note_loss(LostWorker lost);
  /// Handles a message of a worker that was given up.
  void handle_late(WorkerId worker, const MessageToCoordinator& message);
  void call_back(WorkerId worker);
  void welcome_back(WorkerId worker, const to_coordinator::Hello& message);
  void handle(WorkerId worker, const to_coordinator::Hello& message);
  void handle(WorkerId worker, to_coordinator::TaskFinished&& message);
  void handle(WorkerId worker, const to_coordinator::ObjectsMissing& message);
  void handle(WorkerId, const to_coordinator::Pong&) {}
  void handle(WorkerId worker, const to_coordinator::Stuck& message);
  void handle(WorkerId worker, to_coordinator::Broken&& message);
  void handle(WorkerId worker, const to_coordinator::Goodbye& message);
  void handle(WorkerId worker, to_coordinator::FileCompared&& message);
  void handle(WorkerId worker, const to_coordinator::SpillFolderWanted& message);
  void handle(WorkerId worker, const to_coordinator::RoomLeft& message);
  void handle(WorkerId worker, to_coordinator::Returned&& message);
  /// Makes tasks of the items that a worker has given back of its running batch.
  [[nodiscard]] event::BatchDivided divide(const to_coordinator::GivenItems& given);
  void complete(TaskTable::Entry& entry, TaskEnding ending, Payload result);
  [[nodiscard]] std::string how_lost(const TaskTable::Entry& entry) const;
  void remove(TaskId task);
  bool flush(Outlook outlook);

  Transport* transport_;
  ObjectStore* store_;
  Scheduler scheduler_;
  SchedulerActions actions_;

  TaskTable tasks_;
  to_coordinator::TaskFinished* finishing_ = nullptr;  // the message about which the scheduler is being told
  std::unordered_map<CallId, Call> calls_;
  Outbox outbox_;
  SharedObjects objects_;
  FileQuestions file_questions_;
  TaskResults results_;
  WorkerRoster roster_;
  std::map<WorkerId, std::uint64_t> room_;  // in bytes, by the worker that watches its node's
  bool asks_always_ = false;

  Heartbeat heartbeat_;
  struct StuckTask {
    WorkerId worker;
    TaskId task;
  };
  struct BrokenWorker {
    WorkerId worker;
    std::string reason;
  };
  std::vector<StuckTask> stuck_;  // workers are lost only after their messages have been read
  std::vector<BrokenWorker> broken_;
  std::optional<TaskId> timed_out_;  // the task, if known, that the worker that is being lost was running
  std::function<bool(WorkerId)> is_at_work_;
  std::function<bool()> memory_is_short_;
  std::uint64_t calls_started_ = 0;
  QuietClock quiet_;
};

}  // namespace joblib_mpi
