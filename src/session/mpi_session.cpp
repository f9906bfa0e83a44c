#include "backends/mpi_backend.hpp"
#include "backends/sequential_backend.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "core/program_identity.hpp"
#include "executor/in_process_executor.hpp"
#include "executor/registered_function_runner.hpp"
#include "mpi/mpi_check.hpp"
#include "session/rank_parts.hpp"
#include "store/broadcast_store.hpp"
#include "worker/stand_in.hpp"
#include "worker/worker.hpp"
#include <joblib_mpi/backend_registry.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/function_registry.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace joblib_mpi {
namespace {

MpiWorld::Options world_options() {
  const auto functions = detail::FunctionRegistry::instance().fingerprint();
  return {.identity = program_identity() + ", functions " + std::to_string(functions)};
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
  explicit State() : parts(world_options()) {}
  explicit State(MPI_Comm communicator) : parts(communicator, world_options()) {}

  int lead(const std::function<int()>& function);
  int serve();
  /// Whether another thread may answer rank 0 while a task runs.
  [[nodiscard]] bool may_have_stand_in() const;
  /// Rank 0, instead of `lead`: makes the others leave.
  void dismiss();
  void stop(CoordinatorDriver& driver, const to_worker::Stop& stop) {
    const auto stuck = driver.stop_workers(stop, parts.settings.shutdown_seconds);
    if (!stuck.empty()) parts.abort_with(stuck, stop.status);
  }

  RankParts parts;
  std::thread::id thread = std::this_thread::get_id();
  bool has_run = false;
};

MpiSession::MpiSession(int&, char**&) : state_(std::make_unique<State>()) {}

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
  BroadcastStore store(parts.transport, parts.memory);
  Coordinator coordinator(parts.transport, store, parts.settings);
  parts.warn_of_losses(coordinator);
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
  BroadcastStore store(parts.transport, parts.memory);
  Coordinator coordinator(parts.transport, store, parts.settings);
  CoordinatorDriver driver(coordinator, parts.settings, parts.world.has_own_core());
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
  BroadcastStore store(parts.transport, parts.memory);
  RegisteredFunctionRunner runner;
  std::mutex agent;
  const bool stands_in = may_have_stand_in();
  InProcessExecutor executor(runner, stands_in ? &agent : nullptr);
  IdleWaiter waiter(parts.settings, parts.world.has_own_core());
  const RegisteredBackend nested(std::make_shared<SequentialBackend>());
  Worker worker(parts.transport, store, executor, waiter, parts.settings,
                stands_in ? Worker::DuringTasks::answers : Worker::DuringTasks::is_silent);
  to_worker::Stop stop;
  {
    const std::lock_guard own(agent);
    std::optional<StandIn> stand_in;
    if (stands_in) stand_in.emplace(worker, agent, parts.settings);
    stop = worker.serve();
  }
  if (!stop.failure.empty() && !parts.world.owns_mpi()) {
    throw SessionAborted("rank 0 left MpiSession::run with an exception: " + stop.failure);
  }
  return stop.status;
}

}  // namespace joblib_mpi
