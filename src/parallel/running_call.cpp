#include "checkpoint/checkpoint.hpp"
#include "observe/progress.hpp"
#include "parallel/dispatch_window.hpp"
#include "parallel/resolve_options.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/active_config.hpp>
#include <joblib_mpi/detail/running_call.hpp>
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace joblib_mpi::detail {
namespace {

/// The default of `pre_dispatch` for each job. It suffices for a worker's credits of tiny tasks; joblib's 2 would make
/// every worker wait for the round trip.
constexpr std::size_t tasks_ahead_per_job = 64;

/// The bytes of large arguments under way from which joblib's default applies. Chosen: some messages of full speed.
constexpr std::size_t most_bytes_ahead = std::size_t{64} << 20;
constexpr std::size_t tasks_ahead_per_job_beyond = 2;

/// Returns the window of a call; a `pre_dispatch` of the program is its only limit.
DispatchWindow::Limits window_limits(const std::optional<std::size_t>& pre_dispatch, int n_jobs) {
  if (pre_dispatch) return {.tasks = *pre_dispatch};
  const auto jobs = static_cast<std::size_t>(n_jobs);
  return {.tasks = tasks_ahead_per_job * jobs,
          .bytes = most_bytes_ahead,
          .tasks_beyond_bytes = tasks_ahead_per_job_beyond * jobs};
}

/// The interval at which a call with a checkpoint checks for a signal that ends the run.
constexpr std::chrono::milliseconds between_looks{20};

/// Returns the options of a call merged with those of the surrounding configs. Throws UsageError.
ActiveConfig config_of_call(const ParallelOptions& options, std::shared_ptr<Checkpoint> checkpoint) {
  require_valid(options);
  ActiveConfig config = active_config();
  if (options.backend) config.backend = find_backend(*options.backend);
  if (checkpoint) config.checkpoint = std::move(checkpoint);
  config.options = merged(options, config.options);
  return config;
}

}  // namespace

struct RunningCall::State {
  State(ActiveConfig config, std::optional<std::size_t> total, Collector& collector)
      : results(&collector),
        backend(std::move(config.backend)),
        options(resolved(config.options, *backend)),
        timeout_seconds(config.options.timeout_seconds),
        window(window_limits(config.options.pre_dispatch, options.n_jobs)),
        progress(config.options.verbose.value_or(0), options.n_jobs, total),
        checkpoint(std::move(config.checkpoint)) {}

  Collector* results;
  std::shared_ptr<Backend> backend;
  CallOptions options;
  std::optional<double> timeout_seconds;
  DispatchWindow window;
  Progress progress;
  std::size_t submitted = 0;
  std::exception_ptr error;
  std::shared_ptr<Checkpoint> checkpoint;          // may be null
  std::unique_ptr<CheckpointedCall> checkpointed;  // may be null
  std::unique_ptr<BackendCall> call;               // declared last: it must end before the members above
};

std::shared_ptr<Checkpoint> make_checkpoint(const std::optional<std::filesystem::path>& path) {
  return path ? std::make_shared<Checkpoint>(*path) : nullptr;
}

RunningCall::RunningCall(const ParallelOptions& options, std::shared_ptr<Checkpoint> checkpoint,
                         std::optional<std::size_t> total, Collector& results)
    : state_(std::make_unique<State>(config_of_call(options, std::move(checkpoint)), total, results)) {
  if (state_->checkpoint) state_->checkpointed = state_->checkpoint->start_call(*this);
  ResultSink& first = state_->checkpointed ? *state_->checkpointed : static_cast<ResultSink&>(*this);
  state_->call = state_->backend->start_call(state_->options, first);
}

RunningCall::~RunningCall() = default;

void RunningCall::submit(Task& task, std::size_t array_bytes) {
  const std::size_t index = state_->submitted++;
  while (!state_->window.has_room()) wait();
  if (state_->checkpointed && take_from_checkpoint(index, task)) return;
  if (array_bytes >= min_part_bytes) state_->window.weigh(index, array_bytes);
  state_->call->submit(index, task);
  state_->window.submitted();
}

void RunningCall::finish() {
  while (!state_->window.empty()) wait();
  state_->progress.finish();
}

void RunningCall::wait() {
  constexpr double longest_timeout_seconds = 1e9;  // the clock cannot represent longer ones; they count as no timeout
  BackendCall::Deadline deadline;
  if (state_->timeout_seconds && *state_->timeout_seconds < longest_timeout_seconds) {
    deadline = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                                      std::chrono::duration<double>(*state_->timeout_seconds));
  }
  while (true) {
    end_if_interrupted();
    BackendCall::Deadline next_look = deadline;
    if (state_->checkpointed) {
      next_look = std::chrono::steady_clock::now() + between_looks;
      if (deadline) next_look = std::min(*next_look, *deadline);
    }
    if (state_->call->wait(next_look)) break;
    if (next_look != deadline) continue;
    throw TimeoutError("no task finished within timeout_seconds = " + std::to_string(*state_->timeout_seconds) +
                       "; give the tasks more time or make them smaller");
  }
  if (state_->error) std::rethrow_exception(state_->error);
}

bool RunningCall::take_from_checkpoint(std::size_t index, const Task& task) {
  end_if_interrupted();
  state_->window.submitted();
  const bool taken = state_->checkpointed->take(index, task);
  if (!taken) state_->window.finished(index);
  if (state_->error) std::rethrow_exception(state_->error);
  return taken;
}

void RunningCall::end_if_interrupted() {
  if (!state_->checkpointed) return;
  const std::optional<Interruption> told = interruption();
  if (!told) return;
  state_->call->stop_starting();
  announce_interruption();
  while (state_->checkpointed->has_tasks_under_way() && state_->call->wait(told->deadline)) {
  }
  state_->checkpointed->flush();
  throw CheckpointInterrupt(told->exit_status);
}

void RunningCall::store(std::size_t index, std::shared_ptr<void> result) {
  state_->results->store(index, std::move(result));
  note_finished(index);
}

void RunningCall::load(std::size_t index, PayloadReader& result) {
  state_->results->load(index, result);
  note_finished(index);
}

void RunningCall::fail(std::size_t index, std::exception_ptr error) {
  if (state_->results->keep_error(index, error)) return note_finished(index);
  state_->window.finished(index);
  if (!state_->error) state_->error = std::move(error);
}

void RunningCall::save(const std::shared_ptr<void>& result, PayloadWriter& writer) const {
  state_->results->save(result, writer);
}

void RunningCall::note_size(std::size_t index, std::size_t bytes) {
  state_->window.weigh(index, bytes);
}

void RunningCall::note_finished(std::size_t index) {
  state_->window.finished(index);
  state_->progress.task_finished();
}

}  // namespace joblib_mpi::detail
