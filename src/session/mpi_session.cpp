#include "backends/mpi_backend.hpp"
#include "backends/sequential_backend.hpp"
#include "checkpoint/checkpoint.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "core/ignored_signal.hpp"
#include "core/program_identity.hpp"
#include "executor/in_process_executor.hpp"
#include "executor/isolated_executor.hpp"
#include "executor/registered_function_runner.hpp"
#include "mpi/mpi_check.hpp"
#include "segments/segment_pool.hpp"
#include "session/executor_process.hpp"
#include "session/rank_parts.hpp"
#include "spill/hdf5_journal_layout.hpp"
#include "spill/hdf5_result_format.hpp"
#include "store/node_store.hpp"
#include "worker/stand_in.hpp"
#include "worker/worker.hpp"
#include <joblib_mpi/backend_registry.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/function_registry.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <csignal>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace joblib_mpi {
namespace {

MpiWorld::Options world_options(Isolation isolation) {
  const auto functions = detail::FunctionRegistry::instance().fingerprint();
  return {.identity = program_identity() + ", functions " + std::to_string(functions),
          .busy_threads = isolation == Isolation::none ? 1 : 2};  // the rank's agent looks on while its executor works
}

/// The zygote of a rank that isolates its tasks. Only in the rank does it return.
std::unique_ptr<Zygote> zygote_for(Isolation isolation) {
  if (isolation == Isolation::none) return nullptr;
  int initialized = 0;
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  if (initialized != 0) {
    throw UsageError(
        "isolation=process needs a process that is forked before MPI_Init, which this program has called already; make "
        "the MpiSession from main's arguments before MPI_Init, or set JOBLIB_MPI_ISOLATION=none");
  }
  return may_become_worker() ? fork_zygote_of_registered_functions() : nullptr;
}

/// "mpi" under its name while the object lives.
class RegisteredBackend {
 public:
  explicit RegisteredBackend(std::shared_ptr<Backend> backend) { register_backend("mpi", std::move(backend)); }
  RegisteredBackend(const RegisteredBackend&) = delete;
  RegisteredBackend& operator=(const RegisteredBackend&) = delete;
  ~RegisteredBackend() { unregister_backend("mpi"); }
};

/// Where a function that rank 0 calls finds its driver.
class DriverInUse {
 public:
  DriverInUse(CoordinatorDriver*& place, CoordinatorDriver& driver) : place_(&place) { place = &driver; }
  DriverInUse(const DriverInUse&) = delete;
  DriverInUse& operator=(const DriverInUse&) = delete;
  ~DriverInUse() { *place_ = nullptr; }

 private:
  CoordinatorDriver** place_;
};

}  // namespace

struct MpiSession::State {
  explicit State(Isolation isolation)
      : zygote(zygote_for(isolation)), parts(settings, world_options(isolation), segments, memory()) {
    if (parts.world.rank() == 0) zygote.reset();
    if (parts.world.rank() == 0) ends_soon.heed();
  }
  explicit State(MPI_Comm communicator)
      : zygote(zygote_for(isolation_from_environment())),
        parts(settings, communicator, world_options(Isolation::none), segments, memory()) {
    if (parts.world.rank() == 0) ends_soon.heed();
  }

  /// Where large arrays arrive: with executors, where they see them, too.
  [[nodiscard]] ReceiveMemory& memory() { return zygote ? static_cast<ReceiveMemory&>(segments) : heap; }

  int lead(const std::function<int()>& function);
  int serve();
  /// Whether another thread may answer rank 0 while a task runs.
  [[nodiscard]] bool may_have_stand_in() const;
  to_worker::Stop serve_isolated();
  to_worker::Stop serve_in_process();
  /// Rank 0, instead of `lead`: makes the others leave.
  void dismiss();
  void stop(CoordinatorDriver& driver, const to_worker::Stop& stop) {
    const auto stuck = driver.stop_workers(stop, parts.settings.shutdown_seconds);
    if (!stuck.empty()) parts.abort_with(stuck, stop.status);
    status = stop.status;
  }

  IgnoredSignal ends_soon{SIGUSR1};  // Slurm sends it to all; rank 0 decides
  std::unique_ptr<Zygote> zygote;    // if tasks are isolated; made before MPI is initialised
  const Settings settings = settings_from_environment();
  SegmentPool segments{settings.spare_bytes, {.uses_files = settings.shared_fallback_to_file}};
  HeapMemory heap;
  RankParts parts;
  std::thread::id thread = std::this_thread::get_id();
  CoordinatorDriver* leading = nullptr;  // rank 0's, while the program's function runs
  bool has_run = false;
  int status = 1;  // of the last run
  bool ranks_lost = false;
};

MpiSession::MpiSession(int& argc, char**& argv) : MpiSession(argc, argv, Options{}) {}

MpiSession::MpiSession(int&, char**&, Options options)
    : state_(std::make_unique<State>(options.isolation ? *options.isolation : isolation_from_environment())) {}

MpiSession::MpiSession(MPI_Comm communicator) : state_(std::make_unique<State>(communicator)) {}

MpiSession::~MpiSession() {
  try {
    // The other ranks wait in `run` or here. What rank 0 says has to be taken: on a communicator that is gone it would
    // wait for the next one that MPI gives the same number.
    if (!state_->has_run) rank() == 0 ? state_->dismiss() : (void)state_->serve();
    rank() == 0 ? state_->parts.end_as_leader(state_->status)
                : state_->parts.end_as_worker(state_->status, state_->ranks_lost);
  } catch (const std::exception&) {  // they will find out from MPI
  }
}

int MpiSession::rank() const {
  return state_->parts.world.rank();
}

int MpiSession::size() const {
  return state_->parts.world.size();
}

ObjectStats MpiSession::object_stats() const {
  if (state_->leading == nullptr) {
    throw UsageError("MpiSession::object_stats is for rank 0, while MpiSession::run calls its function");
  }
  return state_->leading->object_stats();
}

int MpiSession::run_function(const std::function<int()>& function) {
  state_->has_run = true;
  return rank() == 0 ? state_->lead(function) : state_->serve();
}

int MpiSession::State::lead(const std::function<int()>& function) {
  NodeStore store(parts.transport, segments, parts.links);
  Coordinator coordinator(parts.transport, store, parts.settings);
  const auto spill_desk = parts.make_spill_desk(coordinator);
  parts.watch_losses(coordinator);
  CoordinatorDriver driver(coordinator, parts.settings, parts.world.has_own_core());
  const auto backend = std::make_shared<MpiBackend>(
      driver, MpiBackend::Ranks{parts.world.hosts(), parts.world.any_thread_may_call(), thread});
  int result = 0;
  try {
    const CheckpointFiles checkpoints(lay_out_hdf5_journal, parts.settings);
    const RegisteredBackend registered(backend);
    const DriverInUse in_use(leading, driver);
    result = function();
  } catch (const CheckpointInterrupt& interrupt) {
    backend->disconnect();
    stop(driver, {interrupt.status(), ""});
    return interrupt.status();
  } catch (const std::exception& error) {
    backend->disconnect();
    const std::string text = error.what();
    stop(driver, {1, text.empty() ? "an exception without a text" : text});
    throw;
  } catch (...) {
    backend->disconnect();
    stop(driver, {1, "an exception that is not a std::exception"});
    throw;
  }
  backend->disconnect();
  stop(driver, {result, ""});
  return result;
}

void MpiSession::State::dismiss() {
  NodeStore store(parts.transport, segments, parts.links);
  Coordinator coordinator(parts.transport, store, parts.settings);
  parts.watch_losses(coordinator);
  CoordinatorDriver driver(coordinator, parts.settings, parts.world.has_own_core());
  status = 0;
  (void)driver.stop_workers({1, "rank 0 ended its session without calling run"}, parts.settings.shutdown_seconds);
}

bool MpiSession::State::may_have_stand_in() const {
  if (!parts.world.any_thread_may_call()) return false;
  // A task in a program with MPI of its own may call MPI itself, at the same time as the stand-in.
  int level = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
  return parts.world.owns_mpi() || level == MPI_THREAD_MULTIPLE;
}

int MpiSession::State::serve() {
  const RegisteredBackend nested(std::make_shared<SequentialBackend>());
  const to_worker::Stop stop = zygote ? serve_isolated() : serve_in_process();
  status = stop.status;
  ranks_lost = stop.ranks_lost;
  if (!stop.failure.empty() && !parts.world.owns_mpi()) {
    throw SessionAborted("rank 0 left MpiSession::run with an exception: " + stop.failure);
  }
  return stop.status;
}

to_worker::Stop MpiSession::State::serve_isolated() {
  NodeStore store(parts.transport, segments, parts.links);
  IsolatedExecutor executor(*zygote, segments, {.grace_seconds = parts.settings.grace_seconds});
  IdleWaiter waiter(parts.settings, parts.world.has_own_core(), zygote->agent_wake_flag());
  Worker worker(parts.transport, store, executor, waiter, parts.settings, Worker::DuringTasks::answers);
  parts.watch_leader(worker);
  return worker.serve();
}

to_worker::Stop MpiSession::State::serve_in_process() {
  NodeStore store(parts.transport, segments, parts.links);
  RegisteredFunctionRunner runner;
  std::mutex agent;
  const bool stands_in = may_have_stand_in();
  InProcessExecutor executor(runner, stands_in ? &agent : nullptr);
  executor.spill_with(result_format());
  IdleWaiter waiter(parts.settings, parts.world.has_own_core());
  Worker worker(parts.transport, store, executor, waiter, parts.settings,
                stands_in ? Worker::DuringTasks::answers : Worker::DuringTasks::is_silent);
  parts.watch_leader(worker);
  const std::lock_guard own(agent);
  std::optional<StandIn> stand_in;
  if (stands_in) stand_in.emplace(worker, agent, parts.settings);
  return worker.serve();
}

}  // namespace joblib_mpi
