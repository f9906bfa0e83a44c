#pragma once

#include "core/frame.hpp"
#include "core/idle_waiter.hpp"
#include "core/settings.hpp"
#include "executor/executor.hpp"
#include "protocol/messages.hpp"
#include "store/object_store.hpp"
#include "transport/transport.hpp"
#include "worker/coordinator_watch.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace joblib_mpi {

/// The loop of every rank but 0: takes tasks from rank 0, has the executor run them one after another, and sends what
/// came of them back.
class Worker {
 public:
  using Clock = std::chrono::steady_clock;

  /// Whether this worker answers rank 0 while a task runs: if not, rank 0 must bear its silence.
  enum class DuringTasks { answers, is_silent };

  Worker(Transport& transport, ObjectStore& store, Executor& executor, IdleWaiter& waiter, const Settings& settings,
         DuringTasks during_tasks = DuringTasks::answers);

  /// What to do about rank 0's death: `has_ended` is asked now and then where it can be known by other means than
  /// messages, and `lost` hears the reason, from `serve` or `attend`. It is to end this process: there is nobody left
  /// to work for.
  struct CoordinatorLoss {
    std::function<bool()> has_ended;
    std::function<void(const std::string& reason)> lost;
  };
  void on_coordinator_loss(CoordinatorLoss loss) { coordinator_loss_ = std::move(loss); }

  /// Works until rank 0 says Stop; returns what it said. The calling thread is the one that uses MPI.
  to_worker::Stop serve();
  /// One turn of the loop: true if there was something to do.
  bool step();
  /// Takes and answers messages and sends what is done, but starts no task: for another thread that stands in while the
  /// worker's own runs one (stand_in.hpp), never at the same time as any other function here. If that task has used up
  /// its time, rank 0 is told, once. What fails is thrown by the next `step`.
  void attend(Clock::time_point now) noexcept;
  /// Whether rank 0 has said Stop and everything has been sent.
  [[nodiscard]] bool stopped() const;

 private:
  bool receive();
  void handle(to_worker::RunTask&& message);
  void handle(const to_worker::CancelCall& message);
  void handle(const to_worker::ShareObject& message);
  void handle(const to_worker::BroadcastsEnded& message);
  void handle(to_worker::ObjectContent&& message);
  void handle(const to_worker::DropObject& message);
  void handle(const to_worker::Ping& message);
  void handle(const to_worker::Stop& message);
  void handle(to_worker::SpillInto&& message);

  bool start_next_task();
  /// An object that it names will not be here. Another node may have it.
  bool refuse_next_task(const std::string& reason);
  bool take_finished_task();
  void cancel_running();
  void report(to_coordinator::TaskFinished&& message);
  void send_results();
  void report_stuck(Clock::time_point now);
  void watch_coordinator(Clock::time_point now);
  void leave_tasks_to_others(const std::string& reason);
  template <class Message>
  void say(const Message& message);

  struct RunningTask {
    TaskId task;
    CallId call;
    bool cancelled = false;
    double limit_seconds = 0;     // 0 is none
    Clock::time_point started{};  // if there is a limit
    bool reported_stuck = false;
  };

  Transport* transport_;
  ObjectStore* store_;
  Executor* executor_;
  IdleWaiter* waiter_;
  const std::size_t tasks_per_message_;
  const double grace_seconds_;
  const DuringTasks during_tasks_;

  struct WaitingTask : to_worker::RunTask {
    std::shared_ptr<const SpillPlace> spill_place;
  };
  std::deque<WaitingTask> queue_;
  std::shared_ptr<const SpillPlace> spill_place_;  // of the tasks that come; null: their results do not spill
  std::optional<RunningTask> running_;

  Frame results_;  // finished tasks that rank 0 does not know of yet
  std::size_t results_count_ = 0;
  double results_seconds_ = 0;

  std::optional<to_worker::Stop> stop_;
  bool said_goodbye_ = false;
  bool broken_ = false;  // and rank 0 has been told
  std::exception_ptr attend_error_;

  CoordinatorWatch coordinator_watch_;
  CoordinatorLoss coordinator_loss_;
};

}  // namespace joblib_mpi
