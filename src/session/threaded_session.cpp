#include "session/threaded_session.hpp"

#include "coordinator/coordinator_driver.hpp"
#include "executor/handoff_executor.hpp"
#include "executor/isolated_executor.hpp"
#include "segments/segment_pool.hpp"
#include "session/rank_parts.hpp"
#include "spill/hdf5_result_format.hpp"
#include "store/node_store.hpp"
#include "worker/worker.hpp"

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <sched.h>
#include <thread>
#include <utility>

namespace joblib_mpi {
namespace {

/// Python runs a task on one thread while the agent answers rank 0 on another.
constexpr int busy_threads = 2;

/// How long a thread that wants results makes the MPI calls itself before it leaves them to the session's thread and
/// falls asleep. Longer than the round trip of a small task.
constexpr std::chrono::microseconds longest_help{200};

/// How often it then looks for more results before it hands over those that it has.
constexpr int most_turns_with_results = 16;

/// Results of all calls, from the session's thread to the program's.
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

  /// Whether `take` will not wait.
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
      : identity(std::move(session_identity)), interrupt_task(std::move(interrupt)), zygote(std::move(with_zygote)) {}

  /// The life of the session's thread. Everything that uses MPI is made and destroyed here.
  void live(std::promise<void>& started);
  void lead(RankParts& parts, std::promise<void>& started);
  void drive_until_closing();
  /// The calling thread makes the MPI calls that are due, if it may, for a moment or until there are results.
  void help();
  void serve(RankParts& parts, std::promise<void>& started);
  void serve_with(Executor& executor, RankParts& parts);
  /// Where large arrays arrive: with executors, where they see them, too.
  [[nodiscard]] ReceiveMemory& memory() { return zygote ? static_cast<ReceiveMemory&>(segments) : heap; }

  std::string identity;
  std::function<void()> interrupt_task;
  std::unique_ptr<Zygote> zygote;
  const Settings settings = settings_from_environment();
  SegmentPool segments{settings.spare_bytes, {.uses_files = settings.shared_fallback_to_file}};
  HeapMemory heap;
  int rank = 0;
  std::vector<std::string> hosts;

  // Set while the thread runs its loop, before `started`.
  std::optional<IdleWaiter> waiter;
  std::optional<CoordinatorDriver> driver;  // rank 0
  std::optional<HandoffExecutor> handoff;   // the others, without a zygote

  bool may_help = false;            // any thread may make MPI calls
  std::atomic<unsigned> helped{0};  // times
  ResultQueue results;
  std::atomic<bool> closing{false};
  int status = 0;  // written before `closing`, or by the thread before it ends
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
  std::optional<RankParts> parts;
  try {
    parts.emplace(settings, MpiWorld::Options{identity, busy_threads, true}, segments, memory());
    rank = parts->world.rank();
    hosts = parts->world.hosts();
    if (rank == 0) zygote.reset();
    if (zygote) {
      waiter.emplace(parts->settings, parts->world.has_own_core(), zygote->agent_wake_flag());
    } else {
      waiter.emplace(parts->settings, parts->world.has_own_core());
    }
  } catch (...) {
    parts.reset();
    started.set_exception(std::current_exception());
    return;
  }
  rank == 0 ? lead(*parts, started) : serve(*parts, started);
}

void ThreadedSession::State::lead(RankParts& parts, std::promise<void>& started) {
  NodeStore store(parts.transport, segments, parts.links);
  Coordinator coordinator(parts.transport, store, parts.settings);
  const auto spill_desk = parts.make_spill_desk(coordinator);
  parts.watch_losses(coordinator);
  coordinator.always_asks();
  driver.emplace(coordinator, parts.settings, parts.world.has_own_core());
  may_help = parts.world.any_thread_may_call();
  started.set_value();
  try {
    drive_until_closing();
  } catch (...) {
    results.fail(std::current_exception());
    while (!closing.load(std::memory_order_acquire)) waiter->wait();
  }
  const auto stuck = driver->stop_workers({status, ""}, parts.settings.shutdown_seconds);
  if (!stuck.empty()) parts.abort_with(stuck, status);
  parts.end_as_leader(status);
}

void ThreadedSession::State::drive_until_closing() {
  unsigned seen = helped;
  while (!closing.load(std::memory_order_acquire)) {
    if (const unsigned now = helped; now != seen) {
      // Another thread does the work. If it stops without telling, as for a long computation, the next look finds out.
      seen = waiter->sleep() ? helped.load() : now;
    } else if (driver->drive()) {
      waiter->reset();
    } else {
      waiter->wait();
    }
  }
}

void ThreadedSession::State::help() {
  const auto end = std::chrono::steady_clock::now() + longest_help;
  while (may_help && !results.has_something() && std::chrono::steady_clock::now() < end) {
    ++helped;
    if (!driver->drive()) sched_yield();
  }
  // What else has arrived costs the caller less now than one by one.
  for (int turn = 0; may_help && turn < most_turns_with_results && driver->drive(); ++turn) ++helped;
  if (!results.has_something()) waiter->notify();
}

void ThreadedSession::State::serve(RankParts& parts, std::promise<void>& started) {
  if (zygote) {
    IsolatedExecutor executor(*zygote, segments, {.grace_seconds = parts.settings.grace_seconds});
    started.set_value();
    serve_with(executor, parts);
  } else {
    handoff.emplace(*waiter, interrupt_task);
    handoff->spill_with(result_format());
    started.set_value();
    serve_with(*handoff, parts);
    handoff->close();
  }
}

void ThreadedSession::State::serve_with(Executor& executor, RankParts& parts) {
  NodeStore store(parts.transport, segments, parts.links);
  Worker worker(parts.transport, store, executor, *waiter, parts.settings);
  parts.watch_leader(worker);
  const to_worker::Stop stop = worker.serve();
  status = stop.status;
  parts.end_as_worker(status, stop.ranks_lost);
}

int ThreadedSession::rank() const noexcept {
  return state_->rank;
}

const std::vector<std::string>& ThreadedSession::hosts() const noexcept {
  return state_->hosts;
}

CallId ThreadedSession::start_call(const CallOptions& options) {
  return state_->driver->start_call(options, state_->results);
}

void ThreadedSession::submit(CallId call, TaskRequest request) {
  state_->driver->submit(call, std::move(request));
  // Whoever submits soon asks for results and sends it then; if not, the session's thread does within its longest
  // pause.
  if (!state_->may_help) state_->waiter->notify();
}

void ThreadedSession::stop_starting(CallId call) {
  state_->driver->stop_starting(call);
  state_->waiter->notify();
}

void ThreadedSession::end_call(CallId call) {
  state_->driver->end_call(call);
  state_->waiter->notify();
}

ObjectId ThreadedSession::share(Payload value) {
  const ObjectId object = state_->driver->share(std::move(value));
  state_->waiter->notify();
  return object;
}

void ThreadedSession::drop(ObjectId object) {
  state_->driver->drop(object);
  state_->waiter->notify();
}

ObjectStats ThreadedSession::object_stats() {
  return state_->driver->object_stats();
}

bool ThreadedSession::results_fill_memory(CallId call) {
  return state_->driver->results_fill_memory(call);
}

std::vector<FinishedTask> ThreadedSession::next_results(double seconds) {
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
  state_->waiter->notify();
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
