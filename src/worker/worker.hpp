#pragma once

#include "core/frame.hpp"
#include "core/idle_waiter.hpp"
#include "core/settings.hpp"
#include "executor/executor.hpp"
#include "protocol/messages.hpp"
#include "store/object_store.hpp"
#include "transport/transport.hpp"
#include "worker/coordinator_watch.hpp"
#include "worker/node_room.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <utility>

namespace joblib_mpi {

/// The loop of a worker: takes tasks from rank 0, lets the executor run them one after another, and sends their results
/// back.
class Worker {
 public:
  using Clock = std::chrono::steady_clock;

  /// Says whether this worker answers rank 0 while a task runs; if not, rank 0 must tolerate its silence.
  enum class DuringTasks { answers, is_silent };

  /// Makes the loop. All references except `settings` must outlive it.
  Worker(Transport& transport, ObjectStore& store, Executor& executor, IdleWaiter& waiter, const Settings& settings,
         DuringTasks during_tasks = DuringTasks::answers);

  /// The reaction to the death of rank 0. `has_ended` and `is_running` are polled now and then; they return true if the
  /// death or the life of rank 0 is known by other means than messages. A rank 0 that is known to live may be silent
  /// for any time. `lost` is called with the reason, from `serve` or `attend`; it should end this process, since there
  /// is no rank left to work for. It is not called if `session_status` returns the status with which the session has
  /// ended without this worker, which leaves then.
  struct CoordinatorLoss {
    std::function<bool()> has_ended;
    std::function<bool()> is_running;
    std::function<void(const std::string& reason)> lost;
    std::function<std::optional<int>()> session_status = [] { return std::optional<int>(); };
  };
  /// Sets the reaction to the death of rank 0. By default there is none.
  void on_coordinator_loss(CoordinatorLoss loss) { coordinator_loss_ = std::move(loss); }

  /// Makes this worker the one of its node that tells rank 0 how much memory is left there, in bytes.
  void watch_room(std::function<std::uint64_t()> room) { node_room_.emplace(std::move(room)); }

  /// Works until rank 0 sends Stop, and returns that message. The calling thread is the one that uses MPI.
  to_worker::Stop serve();
  /// Makes one turn of the loop. Returns true if there was something to do.
  bool step();
  /// Takes and answers messages and sends results, but starts no task. It is for another thread that stands in while
  /// the worker's own thread runs a task (stand_in.hpp), and must never run at the same time as any other function of
  /// this class. If the running task has exceeded its time limit and the grace period, rank 0 is told, once. An
  /// exception is thrown by the next `step`.
  void attend(Clock::time_point now) noexcept;
  /// Returns whether tasks wait for the running one, so that rank 0 may ask for them.
  [[nodiscard]] bool holds_ahead() const noexcept { return running_ && !queue_.empty(); }
  /// Returns whether rank 0 has sent Stop and everything has been sent.
  [[nodiscard]] bool stopped() const;

 private:
  bool receive();
  void handle(const to_worker::Begin& message);
  void handle(to_worker::RunTask&& message);
  void handle(const to_worker::CancelCall& message);
  void handle(const to_worker::TakeBack& message);
  void handle(const to_worker::ShareObject& message);
  void handle(const to_worker::BroadcastsEnded& message);
  void handle(to_worker::ObjectContent&& message);
  void handle(const to_worker::DropObject& message);
  void handle(const to_worker::Ping& message);
  void handle(const to_worker::Stop& message);
  void handle(to_worker::SpillInto&& message);
  void handle(to_worker::SpillFolderMade&& message);
  void handle(const to_worker::Rejoin& message);
  void handle(const to_worker::CompareFile& message);

  /// Starts the next task. If the executor runs it on this thread, and it is tiny, those behind it follow without a
  /// look for messages in between, which would take longer than they do. Returns whether a task was started.
  bool start_tasks();
  bool start_next_task();
  /// Reports the next task as lost because an object that it names will not be available here. Another node may have
  /// it.
  bool refuse_next_task(const std::string& reason);
  bool take_finished_task();
  void cancel_running();
  /// Asks rank 0 for the folder for which the running task's result waits; a cancelled task waits no longer.
  void ask_for_spill_folder();
  void report(to_coordinator::TaskFinished&& message);
  void send_results();
  /// Takes note if a piece of a long message has been exchanged with rank 0. Returns true if so.
  bool hear_of_pieces();
  void report_stuck(Clock::time_point now);
  /// Looks after what need not be known at once: rank 0's life, and the room for memory.
  void look_around(Clock::time_point now);
  void watch_coordinator(Clock::time_point now);
  void leave_tasks_to_others(const std::string& reason);
  /// Says Hello again after rank 0 had given this worker up, once nothing of the time before is running.
  void come_back();
  /// Ends this process's part without rank 0, which has ended or is dead. Rank 0 may have ended the session while this
  /// worker had stopped, and its Stop be lost with it: then this worker leaves, so that it does not fail a job that has
  /// succeeded.
  void outlive_coordinator(const std::string& reason);
  template <class Message>
  void say(const Message& message);
  void send(Frame& frame);

  struct RunningTask {
    TaskId task;
    CallId call;
    bool cancelled = false;
    double limit_seconds = 0;     // 0 means no limit
    Clock::time_point started{};  // set if there is a limit
    bool reported_stuck = false;
    std::shared_ptr<const SpillPlace> spill_place = {};
    bool asked_for_folder = false;
  };

  Transport* transport_;
  ObjectStore* store_;
  Executor* executor_;
  IdleWaiter* waiter_;
  const std::size_t tasks_per_message_;
  const double grace_seconds_;
  const Clock::duration between_looks_around_;
  const DuringTasks during_tasks_;

  struct WaitingTask : to_worker::RunTask {
    std::shared_ptr<const SpillPlace> spill_place;
  };
  std::pmr::unsynchronized_pool_resource queue_memory_;  // keeps memory of tasks that have left for those that come
  std::pmr::deque<WaitingTask> queue_{&queue_memory_};
  std::shared_ptr<const SpillPlace> spill_place_;  // for tasks that arrive from now on; null: no results spill
  std::optional<RunningTask> running_;

  Frame results_;  // finished tasks that are not yet reported to rank 0
  std::size_t results_count_ = 0;
  double results_seconds_ = 0;
  double seconds_without_look_ = 0;  // the time that the tasks of this turn took

  std::optional<to_worker::Stop> stop_;
  std::optional<to_worker::Rejoin> rejoin_;  // not yet answered
  bool broadcasts_ended_ = false;
  bool begun_ = false;  // rank 0 has said Begin
  bool said_goodbye_ = false;
  bool left_alone_ = false;  // rank 0 has ended without this worker; nothing is sent any more
  bool broken_ = false;      // and rank 0 has been told
  std::exception_ptr attend_error_;

  CoordinatorWatch coordinator_watch_;
  CoordinatorLoss coordinator_loss_;
  std::optional<NodeRoom> node_room_;  // on one worker of each node but rank 0's
};

}  // namespace joblib_mpi
