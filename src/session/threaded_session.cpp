#include "session/threaded_session.hpp"

#include "core/idle_waiter.hpp"
#include "core/wake_flag.hpp"
#include "executor/handoff_executor.hpp"
#include "segments/wake_page.hpp"
#include "session/coordinating_rank.hpp"
#include "session/mpi_rank.hpp"
#include "session/serving_rank.hpp"
#include <joblib_mpi/error.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <sched.h>
#include <thread>
#include <utility>

namespace joblib_mpi {
namespace {

/// The number of threads that want a core: Python runs a task on one thread while the session's thread answers rank 0.
constexpr int busy_threads = 2;

/// The time for which a thread that wants results makes the MPI calls itself before it leaves them to the session's
/// thread and sleeps. Longer than the round trip of a small task.
constexpr std::chrono::microseconds longest_help{200};

/// The time between two looks of the session's thread at whether such a thread still makes them.
constexpr std::chrono::milliseconds pause_beside_helper{1};

/// The number of polls for further results before such a thread returns those that it has.
constexpr int most_turns_with_results = 16;

/// Passes the results of all calls from the session's thread to the program's threads. Thread-safe.
class ResultQueue final : public CompletionSink {
 public:
  void finished(FinishedTask task) override {
    {
      const std::lock_guard lock(mutex_);
      results_.push_back(std::move(task));
      something_ = true;
    }
    changed_.notify_one();
  }

  void wake() {
    {
      const std::lock_guard lock(mutex_);
      something_ = true;
    }
    changed_.notify_one();
  }

  void fail(std::exception_ptr error) {
    {
      const std::lock_guard lock(mutex_);
      error_ = std::move(error);
      something_ = true;
    }
    changed_.notify_one();
  }

  /// Returns whether `take` will return without waiting.
  [[nodiscard]] bool has_something() const noexcept { return something_.load(std::memory_order_acquire); }

  [[nodiscard]] std::vector<FinishedTask> take(double seconds) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return something_.load(); });
    something_ = false;
    if (error_) std::rethrow_exception(error_);
    return std::exchange(results_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> something_{false};
  std::vector<FinishedTask> results_;
  std::exception_ptr error_;
};

}  // namespace

struct ThreadedSession::State {
  State(std::string session_identity, std::function<void()> interrupt, std::unique_ptr<Zygote> with_zygote)
      : identity(std::move(session_identity)),
        interrupt_task(std::move(interrupt)),
        zygote(std::move(with_zygote)),
        wake_page(zygote ? zygote->take_wake_page() : OwnWakePage()) {}

  /// Runs on the session's thread: everything that uses MPI is created and destroyed here.
  void live(std::promise<void>& started);
  void coordinate(MpiRank& mpi, std::promise<void>& started);
  void drive_until_closing(IdleWaiter& waiter);
  /// Lets the calling thread make the MPI calls that are due, if MPI allows it, until there are results or
  /// `longest_help` is over.
  void help();
  void serve(MpiRank& mpi, std::promise<void>& started);

  std::string identity;
  std::function<void()> interrupt_task;
  std::unique_ptr<Zygote> zygote;
  int rank = 0;
  std::vector<std::string> hosts;
  OwnWakePage wake_page;  // of the session's thread

  // Set by the session's thread before `started`.
  std::shared_ptr<CoordinatorDriver> driver;  // rank 0
  RankMemory* memory = nullptr;               // rank 0
  std::optional<HandoffExecutor> handoff;     // workers without a zygote

  bool may_help = false;            // any thread may make MPI calls
  std::atomic<unsigned> helped{0};  // number of turns that other threads have made
  WakeFlag helper_left;             // notified by a thread that makes no more turns though results are missing
  ResultQueue results;
  std::atomic<bool> closing{false};
  int status = 0;  // written before `closing` is set, or by the session's thread before it ends
  std::mutex close_mutex;
  std::thread thread;
};

ThreadedSession::ThreadedSession(std::string identity, std::function<void()> interrupt_task,
                                 std::unique_ptr<Zygote> zygote)
    : state_(std::make_unique<State>(std::move(identity), std::move(interrupt_task), std::move(zygote))) {
  std::promise<void> started;
  auto ready = started.get_future();
  state_->thread = std::thread([this, started = std::move(started)]() mutable { state_->live(started); });
  try {
    ready.get();
  } catch (...) {
    state_->thread.join();
    throw;
  }
}

ThreadedSession::~ThreadedSession() {
  if (rank() == 0) {
    close(1);
  } else if (state_->thread.joinable()) {
    state_->thread.join();
  }
}

void ThreadedSession::State::live(std::promise<void>& started) {
  std::optional<MpiRank> mpi;
  try {
    mpi.emplace(MpiWorld::Options{identity, busy_threads, true}, wake_page, zygote != nullptr);
    rank = mpi->world().rank();
    hosts = mpi->world().hosts();
    if (rank == 0) zygote.reset();
  } catch (...) {
    mpi.reset();
    started.set_exception(std::current_exception());
    return;
  }
  rank == 0 ? coordinate(*mpi, started) : serve(*mpi, started);
}

void ThreadedSession::State::coordinate(MpiRank& mpi, std::promise<void>& started) {
  CoordinatingRank coordinating(mpi.parts(), mpi.losses());
  coordinating.coordinator().always_asks();
  driver = coordinating.driver();
  memory = &mpi.memory();
  may_help = mpi.world().any_thread_may_call();
  // A thread that submits a task soon asks for results and drives then; if it does not, the session's thread drives
  // within its longest pause.
  driver->wake_for(may_help ? CoordinatorDriver::WakeFor::everything_else : CoordinatorDriver::WakeFor::every_task);
  const Rank parts = mpi.parts();
  IdleWaiter waiter(parts.settings, parts.has_own_core, parts.wake_flag, parts.woken_by);
  started.set_value();
  try {
    drive_until_closing(waiter);
  } catch (...) {
    results.fail(std::current_exception());
    while (!closing.load(std::memory_order_acquire)) waiter.wait();
  }
  const auto stuck = driver->stop_workers({status, ""}, mpi.settings().shutdown_seconds);
  if (!stuck.empty()) mpi.abort_with(stuck, status);
  mpi.end_as_coordinator(status);
}

void ThreadedSession::State::drive_until_closing(IdleWaiter& waiter) {
  unsigned seen = helped;
  while (!closing.load(std::memory_order_acquire)) {
    if (const unsigned now = helped; now != seen) {
      // Another thread does the work, so messages need not wake this one. If it stops without notice, for example for
      // a long computation, the next look detects it.
      seen = helper_left.wait_for(pause_beside_helper) ? helped.load() : now;
      waiter.reset();
    } else if (driver->drive()) {
      waiter.reset();
    } else {
      waiter.wait();
    }
  }
}

void ThreadedSession::State::help() {
  const auto end = std::chrono::steady_clock::now() + longest_help;
  while (may_help && !results.has_something() && std::chrono::steady_clock::now() < end) {
    ++helped;
    if (!driver->drive()) sched_yield();
  }
  // Taking everything else that has arrived now costs the caller less than taking it one by one later.
  for (int turn = 0; may_help && turn < most_turns_with_results && driver->drive(); ++turn) ++helped;
  if (!results.has_something()) helper_left.notify();
}

void ThreadedSession::State::serve(MpiRank& mpi, std::promise<void>& started) {
  if (!zygote) handoff.emplace(wake_page.flag(), interrupt_task);
  ServingRank serving(mpi.parts(), zygote ? ServingRank::TaskPlace(ServingRank::ExecutorProcesses{*zygote})
                                          : ServingRank::TaskPlace(ServingRank::OtherThread{*handoff}));
  serving.on_coordinator_loss(mpi.ending_without_coordinator());
  started.set_value();
  const to_worker::Stop stop = serving.serve();
  status = stop.status;
  mpi.end_as_worker(status, stop.ranks_lost);
  if (handoff) handoff->close();
}

int ThreadedSession::rank() const noexcept {
  return state_->rank;
}

const std::vector<std::string>& ThreadedSession::hosts() const noexcept {
  return state_->hosts;
}

SegmentPool& ThreadedSession::share_results() noexcept {
  state_->memory->messages().share();
  return state_->memory->segments();
}

CoordinatorDriver& ThreadedSession::driver() noexcept {
  return *state_->driver;
}

CompletionSink& ThreadedSession::results() noexcept {
  return state_->results;
}

std::vector<FinishedTask> ThreadedSession::next_results(double seconds) {
  if (state_->closing.load(std::memory_order_acquire)) {
    throw UsageError("next_results was called after the session had ended");
  }
  state_->help();
  return state_->results.take(seconds);
}

void ThreadedSession::wake() {
  state_->results.wake();
}

void ThreadedSession::close(int status) {
  const std::lock_guard lock(state_->close_mutex);
  if (!state_->thread.joinable()) return;
  state_->status = status;
  state_->closing.store(true, std::memory_order_release);
  state_->wake_page.flag().notify();
  state_->thread.join();
}

TaskPort* ThreadedSession::task_port() noexcept {
  return state_->handoff ? &*state_->handoff : nullptr;
}

int ThreadedSession::leave() {
  if (state_->thread.joinable()) state_->thread.join();
  return state_->status;
}

}  // namespace joblib_mpi
