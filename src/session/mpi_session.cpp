#include "backends/mpi_backend.hpp"
#include "backends/sequential_backend.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "core/program_identity.hpp"
#include "executor/in_process_executor.hpp"
#include "executor/isolated_executor.hpp"
#include "executor/registered_function_runner.hpp"
#include "executor/segment_pool.hpp"
#include "mpi/mpi_check.hpp"
#include "session/executor_process.hpp"
#include "session/rank_parts.hpp"
#include "store/broadcast_store.hpp"
#include "worker/worker.hpp"
#include <joblib_mpi/backend_registry.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/function_registry.hpp>
#include <joblib_mpi/mpi_session.hpp>

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

}  // namespace

struct MpiSession::State {
  explicit State(Isolation isolation) : zygote(zygote_for(isolation)), parts(world_options(isolation)) {
    if (parts.world.rank() == 0) zygote.reset();
  }
  explicit State(MPI_Comm communicator)
      : zygote(zygote_for(isolation_from_environment())), parts(communicator, world_options(Isolation::none)) {}

  int lead(const std::function<int()>& function);
  int serve();
  int work(Executor& executor, IdleWaiter& waiter);
  /// Rank 0, instead of `lead`: makes the others leave.
  void dismiss();
  void stop(CoordinatorDriver& driver, const to_worker::Stop& stop) {
    const auto stuck = driver.stop_workers(stop, parts.settings.shutdown_seconds);
    if (!stuck.empty()) parts.abort_with(stuck, stop.status);
  }

  std::unique_ptr<Zygote> zygote;  // if tasks are isolated; made before MPI is initialised
  RankParts parts;
  std::thread::id thread = std::this_thread::get_id();
  bool has_run = false;
};

MpiSession::MpiSession(int& argc, char**& argv) : MpiSession(argc, argv, Options{}) {}

MpiSession::MpiSession(int&, char**&, Options options)
    : state_(std::make_unique<State>(options.isolation ? *options.isolation : isolation_from_environment())) {}

MpiSession::MpiSession(MPI_Comm communicator) : state_(std::make_unique<State>(communicator)) {}

MpiSession::~MpiSession() {
  if (state_->has_run) return;
  // The other ranks wait in `run` or here. What rank 0 says has to be taken: on a communicator that is gone it would
  // wait for the next one that MPI gives the same number.
  try {
    if (rank() == 0) {
      state_->dismiss();
    } else {
      (void)state_->serve();
    }
  } catch (const std::exception&) {  // they will find out from MPI
  }
}

int MpiSession::rank() const {
  return state_->parts.world.rank();
}

int MpiSession::size() const {
  return state_->parts.world.size();
}

int MpiSession::run_function(const std::function<int()>& function) {
  state_->has_run = true;
  return rank() == 0 ? state_->lead(function) : state_->serve();
}

int MpiSession::State::lead(const std::function<int()>& function) {
  BroadcastStore store(parts.transport);
  Coordinator coordinator(parts.transport, store, parts.settings);
  CoordinatorDriver driver(coordinator, parts.settings, parts.world.has_own_core());
  const auto backend = std::make_shared<MpiBackend>(
      driver, MpiBackend::Ranks{parts.world.hosts(), parts.world.any_thread_may_call(), thread});
  int status = 0;
  try {
    const RegisteredBackend registered(backend);
    status = function();
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
  stop(driver, {status, ""});
  return status;
}

void MpiSession::State::dismiss() {
  BroadcastStore store(parts.transport);
  Coordinator coordinator(parts.transport, store, parts.settings);
  CoordinatorDriver driver(coordinator, parts.settings, parts.world.has_own_core());
  (void)driver.stop_workers({1, "rank 0 ended its session without calling run"}, parts.settings.shutdown_seconds);
}

int MpiSession::State::serve() {
  if (zygote) {
    SegmentPool pool;
    IsolatedExecutor executor(*zygote, pool, {});
    IdleWaiter waiter(parts.settings, parts.world.has_own_core(), zygote->agent_wake_flag());
    return work(executor, waiter);
  }
  RegisteredFunctionRunner runner;
  InProcessExecutor executor(runner);
  IdleWaiter waiter(parts.settings, parts.world.has_own_core());
  return work(executor, waiter);
}

int MpiSession::State::work(Executor& executor, IdleWaiter& waiter) {
  BroadcastStore store(parts.transport);
  const RegisteredBackend nested(std::make_shared<SequentialBackend>());
  const to_worker::Stop stop = Worker(parts.transport, store, executor, waiter, parts.settings).serve();
  if (!stop.failure.empty() && !parts.world.owns_mpi()) {
    throw SessionAborted("rank 0 left MpiSession::run with an exception: " + stop.failure);
  }
  return stop.status;
}

}  // namespace joblib_mpi
