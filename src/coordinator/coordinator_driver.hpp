#pragma once

#include "coordinator/coordinator.hpp"
#include "core/idle_waiter.hpp"
#include "core/memory_reserve.hpp"
#include "core/settings.hpp"
#include "core/wake_flag.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// Holds finished tasks for the thread that waits for them. Only the driver accesses it, under the driver's lock.
class ResultInbox final : public CompletionSink {
 public:
  void finished(FinishedTask task) override { tasks_.push_back(std::move(task)); }

 private:
  friend class CoordinatorDriver;
  std::vector<FinishedTask> tasks_;
};

/// Lets several threads use one coordinator. The coordinator makes progress whenever one of them calls `drive` or
/// `wait`; a thread that waits while another one drives gets its results as well.
///
/// If an allocation fails in these functions, memory that was put aside lets them finish what they do. If that
/// memory cannot be put aside again, tasks that complete end as `no_room`, and `start_call`, `submit` and `share` throw
/// std::bad_alloc, so that calls end and the session goes on.
class CoordinatorDriver {
 public:
  using Clock = std::chrono::steady_clock;

  /// How a thread waits that drives: see IdleWaiter.
  struct Waiting {
    bool has_own_core;
    WakeFlag& wake_flag;
    IdleWaiter::WokenBy woken_by = IdleWaiter::WokenBy::none;
  };

  /// Drives `coordinator`, which must outlive the last use of the driver before `close`.
  CoordinatorDriver(Coordinator& coordinator, const Settings& settings, const Waiting& waiting)
      : coordinator_(&coordinator),
        settings_(settings),
        waiting_(waiting),
        turns_between_checks_(turns_between_checks(settings)) {
    coordinator.ask_for_memory([this] { return !reserve_.refill(); });
  }

  /// The requests for which a thread that drives in a loop is woken.
  enum class WakeFor { every_task, everything_else };
  /// Wakes a thread that drives in a loop, and sleeps on the flag, whenever another thread has asked for something.
  /// With `everything_else`, a new task does not wake it: the submitter drives soon after. Must be called before any
  /// other thread uses the driver.
  void wake_for(WakeFor requests) noexcept { wake_for_ = requests; }

  /// Wakes the thread that drives in a loop, for a thread that has submitted tasks and does not drive itself.
  void notify() noexcept {
    if (wake_for_) waiting_.wake_flag.notify();
  }

  // Thread-safe. These functions wait while another thread takes a turn and make no MPI call: `drive` carries out the
  // requests. `start_call` may create a folder for large results, `end_call` may write their index file.
  [[nodiscard]] CallId start_call(const CallOptions& options, CompletionSink& sink, std::uint64_t owner = 0);
  void submit(CallId call, TaskRequest request);
  void stop_starting(CallId call);
  void end_call(CallId call);
  /// Shares an object with all workers, under a new `id`, or one that is chosen if it is 0. Returns its id.
  [[nodiscard]] ObjectId share(Payload value, ObjectId id = {});
  void drop(ObjectId object);
  [[nodiscard]] ObjectStats object_stats();
  [[nodiscard]] std::size_t unfinished_tasks();
  [[nodiscard]] bool results_fill_memory(CallId call);
  /// Returns the workers whose hosts do not have the file, after all have answered or `patience` is over. Sleeps while
  /// it waits: another thread must drive.
  [[nodiscard]] std::vector<FileRefusal> compare_file(const FileIdentity& file, Clock::duration patience);
  /// Three steps of `compare_file` that do not wait; see Coordinator.
  [[nodiscard]] std::uint64_t ask_for_file(const FileIdentity& file);
  [[nodiscard]] std::optional<std::vector<FileRefusal>> file_refusals(std::uint64_t question);
  [[nodiscard]] std::vector<FileRefusal> close_file_question(std::uint64_t question);
  /// Returns the bytes of memory that are left on the node with the least, rank 0's left out; see Coordinator.
  [[nodiscard]] std::uint64_t room_elsewhere();
  /// Returns how many times a worker has come back, which `compare_file` had not asked.
  [[nodiscard]] std::uint64_t worker_returns();

  /// Detaches the driver from the coordinator, which is about to be destroyed: from now on `start_call`, `submit`,
  /// `share`, `object_stats`, `room_elsewhere`, `unfinished_tasks` and `wait` throw UsageError, and the other functions
  /// do nothing.
  void close() noexcept;

  // These functions make MPI calls on the calling thread.

  /// Gives a worker up; see Coordinator::lose.
  void lose(WorkerId worker, std::string reason);

  /// Takes one turn; returns true if there was something to do.
  bool drive();
  /// Submits one of many tasks, and takes a turn after every few of them. A `drive` or `wait` must follow the last.
  void submit_and_drive(CallId call, TaskRequest request);
  /// Drives until tasks have finished and moves them to `results`, which must be empty. Returns false after the
  /// deadline.
  [[nodiscard]] bool wait(ResultInbox& inbox, std::vector<FinishedTask>& results,
                          std::optional<Clock::time_point> deadline);
  /// Asks the workers to leave and drives until they have left, for at most `seconds`. Returns those that have not
  /// left.
  [[nodiscard]] std::vector<ServingWorker> stop_workers(const to_worker::Stop& stop, double seconds);
  /// Drives until the workers that `stop_workers` has asked have left, however long their tasks take.
  void wait_for_workers();

 private:
  /// Returns after how many turns workers are checked, so that a turn need not read the clock. Even if each turn waits
  /// as long as it may, workers are checked sixteen times per heartbeat.
  [[nodiscard]] static unsigned turns_between_checks(const Settings& settings) {
    return static_cast<unsigned>(
        std::clamp(settings.heartbeat_seconds / 16 / longest_pause_seconds(settings), 1.0, 64.0));
  }
  /// Returns the coordinator for `function`. Throws UsageError after `close`. The lock must be held.
  [[nodiscard]] Coordinator& coordinator(const char* function) const;
  /// Drives until the workers have left, at most until the deadline. Returns those that have not left.
  [[nodiscard]] std::vector<ServingWorker> drive_until_left(std::optional<Clock::time_point> deadline);
  /// Takes one turn; returns true if there was something to do. The lock must be held.
  bool take_turn(Coordinator::Outlook outlook = Coordinator::Outlook::nothing_known);

  /// The lock, and the use of the memory that was put aside.
  class Turn {
   public:
    explicit Turn(CoordinatorDriver& driver) : lock_(driver.mutex_), use_(driver.reserve_) {}

   private:
    std::lock_guard<std::mutex> lock_;
    MemoryReserve::Use use_;
  };
  /// Waits between the turns of a thread. One thread at a time can sleep on the flag; another one looks now and then.
  class Sleeper {
   public:
    explicit Sleeper(CoordinatorDriver& driver)
        : on_flag_(driver.sleeper_mutex_, std::try_to_lock),
          waiter_(driver.settings_, driver.waiting_.has_own_core, on_flag_ ? driver.waiting_.wake_flag : own_flag_,
                  on_flag_ ? driver.waiting_.woken_by : IdleWaiter::WokenBy::none) {}
    void after_turn(bool active) { active ? waiter_.reset() : waiter_.wait(); }

   private:
    const std::unique_lock<std::mutex> on_flag_;
    WakeFlag own_flag_;
    IdleWaiter waiter_;
  };
  /// Throws std::bad_alloc if memory has run out. The lock must be held.
  void require_memory();

  std::mutex mutex_;
  MemoryReserve reserve_;
  Coordinator* coordinator_;  // null after `close`
  std::optional<WakeFor> wake_for_;
  const Settings settings_;
  const Waiting waiting_;
  std::mutex sleeper_mutex_;  // held by the thread that sleeps on the flag
  const unsigned turns_between_checks_;
  unsigned turns_ = 0;
  unsigned submitted_ = 0;
};

}  // namespace joblib_mpi
