#include "backends/mpi_backend.hpp"
#include "backends/sequential_backend.hpp"
#include "backends/session_backend.hpp"
#include "checkpoint/checkpoint.hpp"
#include "core/ignored_signal.hpp"
#include "core/program_identity.hpp"
#include "core/short_slices.hpp"
#include "executor/running_task.hpp"
#include "mpi/mpi_check.hpp"
#include "segments/wake_page.hpp"
#include "session/coordinating_rank.hpp"
#include "session/executor_process.hpp"
#include "session/file_formats.hpp"
#include "session/mpi_rank.hpp"
#include "session/serving_rank.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace joblib_mpi {
namespace {

MpiWorld::Options world_options(Isolation isolation, int* argc = nullptr, char*** argv = nullptr) {
  const auto functions = detail::FunctionRegistry::instance().fingerprint();
  return {.identity = program_identity() + ", functions " + std::to_string(functions),
          .busy_threads = isolation == Isolation::none ? 1 : 2,  // the worker polls while its executor works
          .argc = argc,
          .argv = argv};
}

/// Returns the zygote of a rank that isolates its tasks, otherwise null. Returns only in the rank. Throws UsageError if
/// MPI is initialised already.
std::unique_ptr<Zygote> zygote_for(Isolation isolation) {
  if (isolation == Isolation::none) return nullptr;
  int initialized = 0;
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  if (initialized != 0) {
    throw UsageError(
        "isolation=process forks a process before MPI_Init, but this program has called MPI_Init already; make the "
        "MpiSession from main's arguments before MPI_Init, or set JOBLIB_MPI_ISOLATION=none");
  }
  return may_become_worker() ? fork_zygote_of_registered_functions() : nullptr;
}

/// Notes that a session lives on this thread. A session uses MPI on the thread that made it; where two use it at the
/// same time, or one and a task, MPI must allow that.
class LiveSession {
 public:
  LiveSession() {
    const std::lock_guard lock(mutex);
    const bool is_alone = std::ranges::all_of(threads, [&](std::thread::id thread) { return thread == own_thread_; });
    if ((!is_alone || RunningTask::on_this_thread()) && !any_threads_may_call_together()) {
      throw UsageError(
          "another session uses MPI in this process, on another thread or beside the task that makes this one, but MPI "
          "was not initialised for that: initialise it with MPI_THREAD_MULTIPLE before the first session");
    }
    threads.push_back(own_thread_);
  }
  LiveSession(const LiveSession&) = delete;
  LiveSession& operator=(const LiveSession&) = delete;
  ~LiveSession() {
    const std::lock_guard lock(mutex);
    threads.erase(std::ranges::find(threads, own_thread_));
  }

 private:
  static bool any_threads_may_call_together() {
    int initialized = 0;
    check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
    int level = MPI_THREAD_SINGLE;
    if (initialized != 0) check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
    return level == MPI_THREAD_MULTIPLE;
  }

  static inline std::mutex mutex;
  static inline std::vector<std::thread::id> threads;  // one for each session
  const std::thread::id own_thread_ = std::this_thread::get_id();
};

/// Returns whether the program has finalised MPI.
bool is_finalised() {
  int finalized = 0;
  return MPI_Finalized(&finalized) == MPI_SUCCESS && finalized != 0;
}

/// Sets a pointer to the driver while the object lives, so that functions called on rank 0 find it.
class DriverInUse {
 public:
  DriverInUse(CoordinatorDriver*& place, CoordinatorDriver& driver) : place_(&place) { place = &driver; }
  DriverInUse(const DriverInUse&) = delete;
  DriverInUse& operator=(const DriverInUse&) = delete;
  ~DriverInUse() { *place_ = nullptr; }

 private:
  CoordinatorDriver** place_;
};

/// The code that follows on rank 0 once `run` is over. A program that has initialised MPI goes on in any case, to
/// finalise it.
enum class Afterwards { program_goes_on, program_ends };

}  // namespace

struct MpiSession::State {
  State(Isolation isolation, int& argc, char**& argv)
      : zygote(zygote_for(isolation)), mpi(world_options(isolation, &argc, &argv), wake_page, zygote != nullptr) {
    if (rank() == 0) zygote.reset();
    if (rank() == 0) ends_soon.heed();
  }
  explicit State(MPI_Comm communicator)
      : zygote(zygote_for(isolation_from_environment())),
        mpi(communicator, world_options(Isolation::none), wake_page, zygote != nullptr) {
    if (rank() == 0) ends_soon.heed();
  }

  [[nodiscard]] int rank() const { return mpi.world().rank(); }

  int coordinate(const std::function<int()>& function);
  int serve();
  /// Returns where the tasks of this worker run.
  [[nodiscard]] ServingRank::TaskPlace task_place() const;
  /// Returns whether another thread may answer rank 0 while a task runs.
  [[nodiscard]] bool may_have_stand_in() const;
  /// Makes the workers leave, on rank 0 in place of `coordinate`.
  void dismiss();
  /// Makes the workers leave. Waits for their running tasks if the program goes on after `run`; otherwise the job ends
  /// once shutdown_seconds are over.
  void stop(CoordinatorDriver& driver, const to_worker::Stop& stop, Afterwards afterwards);

  LiveSession live;
  IgnoredSignal ends_soon{SIGUSR1};  // Slurm sends it to all ranks; rank 0 decides
  std::unique_ptr<Zygote> zygote;    // if tasks are isolated; made before MPI is initialised
  OwnWakePage wake_page = zygote ? zygote->take_wake_page() : OwnWakePage();
  MpiRank mpi;
  // Not beside processes that run tasks, or ranks that do on the same cores: each message would interrupt a task.
  const std::optional<ShortSlices> short_slices =
      zygote || !mpi.world().has_own_core() ? std::nullopt : std::make_optional<ShortSlices>();
  std::thread::id thread = std::this_thread::get_id();
  CoordinatorDriver* driver_in_use = nullptr;  // rank 0's, while the program's function runs
  bool has_run = false;
  int status = 1;  // of the last run
  bool ranks_lost = false;
};

MpiSession::MpiSession(int& argc, char**& argv) : MpiSession(argc, argv, Options{}) {}

MpiSession::MpiSession(int& argc, char**& argv, Options options)
    : state_(
          std::make_unique<State>(options.isolation ? *options.isolation : isolation_from_environment(), argc, argv)) {}

MpiSession::MpiSession(MPI_Comm communicator) : state_(std::make_unique<State>(communicator)) {}

MpiSession::~MpiSession() {
  if (is_finalised()) {
    if (rank() == 0) {
      std::fprintf(
          stderr,
          "joblib_mpi: a session was destroyed after MPI_Finalize, and therefore does nothing; let its scope end "
          "before MPI_Finalize\n");
    }
    state_->zygote.reset();
    (void)state_.release();  // MPI takes back neither the communicators nor the messages under way
    return;
  }
  try {
    // The other ranks wait in `run` or here. The Stop message of rank 0 must be received: left in a communicator that
    // is freed, it would arrive in the next one to which MPI gives the same number.
    if (!state_->has_run) rank() == 0 ? state_->dismiss() : (void)state_->serve();
    rank() == 0 ? state_->mpi.end_as_coordinator(state_->status)
                : state_->mpi.end_as_worker(state_->status, state_->ranks_lost);
  } catch (const std::exception&) {  // the other ranks learn of it from MPI
  }
}

int MpiSession::rank() const {
  return state_->rank();
}

int MpiSession::size() const {
  return state_->mpi.world().size();
}

ObjectStats MpiSession::object_stats() const {
  if (state_->driver_in_use == nullptr) {
    throw UsageError(
        "MpiSession::object_stats may be called only on rank 0, by the function that MpiSession::run calls");
  }
  return state_->driver_in_use->object_stats();
}

int MpiSession::run_function(const std::function<int()>& function) {
  if (state_->driver_in_use != nullptr) {
    throw UsageError(
        "MpiSession::run was called inside the function that it runs: its ranks are busy with that; call Parallel "
        "there, or run once more after it");
  }
  if (is_finalised()) {
    throw MpiError("MpiSession::run was called after MPI_Finalize: run it before, or let the session finalise MPI");
  }
  state_->has_run = true;
  return rank() == 0 ? state_->coordinate(function) : state_->serve();
}

int MpiSession::State::coordinate(const std::function<int()>& function) {
  CoordinatingRank coordinating(mpi.parts(), mpi.losses());
  const std::shared_ptr<CoordinatorDriver>& driver = coordinating.driver();
  const auto backend = std::make_shared<MpiBackend>(
      *driver, MpiBackend::Ranks{mpi.world().hosts(), mpi.world().any_thread_may_call(), thread});
  int result = 0;
  try {
    const CheckpointFiles checkpoints(session_journal_layout(), mpi.settings());
    const SessionBackend registered(backend);
    const DriverInUse in_use(driver_in_use, *driver);
    result = function();
  } catch (const CheckpointInterrupt& interrupt) {
    backend->disconnect();
    stop(*driver, {interrupt.status(), ""}, Afterwards::program_ends);
    return interrupt.status();
  } catch (const std::exception& error) {
    backend->disconnect();
    const std::string text = error.what();
    stop(*driver, {1, text.empty() ? "an exception without a text" : text}, Afterwards::program_ends);
    throw;
  } catch (...) {
    backend->disconnect();
    stop(*driver, {1, "an exception that is not a std::exception"}, Afterwards::program_ends);
    throw;
  }
  backend->disconnect();
  stop(*driver, {result, ""}, Afterwards::program_goes_on);
  return result;
}

void MpiSession::State::stop(CoordinatorDriver& driver, const to_worker::Stop& stop, Afterwards afterwards) {
  const auto stuck = driver.stop_workers(stop, mpi.settings().shutdown_seconds);
  if (!stuck.empty()) {
    if (afterwards == Afterwards::program_ends && mpi.world().owns_mpi())
      mpi.abort_with(stuck, stop.status, stop.failure);
    mpi.announce_wait_for(stuck);
    driver.wait_for_workers();
  }
  status = stop.status;
}

void MpiSession::State::dismiss() {
  CoordinatingRank coordinating(mpi.parts(), mpi.losses());
  status = 0;
  (void)coordinating.driver()->stop_workers({1, "rank 0 ended its session without calling run"},
                                            mpi.settings().shutdown_seconds);
}

bool MpiSession::State::may_have_stand_in() const {
  if (!mpi.world().any_thread_may_call()) return false;
  // A task in a program that has initialised MPI may call MPI itself, at the same time as the stand-in.
  int level = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
  return mpi.world().owns_mpi() || level == MPI_THREAD_MULTIPLE;
}

ServingRank::TaskPlace MpiSession::State::task_place() const {
  if (zygote) return ServingRank::ExecutorProcesses{*zygote};
  return ServingRank::ServingThread{.has_stand_in = may_have_stand_in()};
}

int MpiSession::State::serve() {
  const SessionBackend nested(std::make_shared<SequentialBackend>());
  ServingRank serving(mpi.parts(), task_place());
  serving.on_coordinator_loss(mpi.ending_without_coordinator());
  const to_worker::Stop stop = serving.serve();
  status = stop.status;
  ranks_lost = stop.ranks_lost;
  if (!stop.failure.empty() && !mpi.world().owns_mpi()) {
    throw SessionAborted("rank 0 left MpiSession::run with an exception: " + stop.failure);
  }
  return stop.status;
}

}  // namespace joblib_mpi
