#include "checkpoint/checkpoint.hpp"
#include "observe/progress.hpp"
#include "parallel/dispatch_window.hpp"
#include <joblib_mpi/backend_registry.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <string>

namespace joblib_mpi::detail {
namespace {

/// Enough for a worker's credits of tiny tasks; joblib's own 2 would make every worker wait for the round trip.
constexpr std::size_t tasks_ahead_per_job = 64;

/// A call with a checkpoint looks so often whether the run has been told to end.
constexpr std::chrono::milliseconds between_looks{20};

struct Choice {
  std::shared_ptr<Backend> backend;
  CallRequest request;
  int verbose;
  std::shared_ptr<Checkpoint> checkpoint;
};

/// The call's own word, else the config's, else the default.
template <class T>
T first_of(const std::optional<T>& asked, const std::optional<T>& configured, T otherwise) {
  return asked ? *asked : configured.value_or(otherwise);
}

Choice choose(const ParallelOptions& options, std::shared_ptr<Checkpoint> checkpoint) {
  ActiveConfig config = active_config();
  if (checkpoint) config.checkpoint = std::move(checkpoint);
  if (options.backend) config.backend = find_backend(*options.backend);
  require_time_limit(options.task_timeout_seconds);
  const CallRequest defaults;
  const CallRequest request{
      .n_jobs =
          config.backend->effective_n_jobs(first_of(options.n_jobs, config.n_jobs, config.backend->default_n_jobs())),
      .retries = first_of(options.retries, config.retries, defaults.retries),
      .retry_exceptions = first_of(options.retry_exceptions, config.retry_exceptions, defaults.retry_exceptions),
      .task_timeout_seconds =
          first_of(options.task_timeout_seconds, config.task_timeout_seconds, defaults.task_timeout_seconds),
      .memory_limit_bytes =
          first_of(options.memory_limit_bytes, config.memory_limit_bytes, defaults.memory_limit_bytes),
      .spill = merged(spill_options(options), config.spill)};
  return {std::move(config.backend), request, first_of(options.verbose, config.verbose, 0),
          std::move(config.checkpoint)};
}

}  // namespace

struct RunningCall::State {
  State(Choice choice, const ParallelOptions& options, std::optional<std::size_t> total)
      : backend(std::move(choice.backend)),
        request(choice.request),
        timeout_seconds(options.timeout_seconds),
        window(options.pre_dispatch.value_or(tasks_ahead_per_job * static_cast<std::size_t>(choice.request.n_jobs))),
        progress(choice.verbose, choice.request.n_jobs, total),
        checkpoint(std::move(choice.checkpoint)) {}

  std::shared_ptr<Backend> backend;
  CallRequest request;
  std::optional<double> timeout_seconds;
  DispatchWindow window;
  Progress progress;
  std::exception_ptr error;
  std::shared_ptr<Checkpoint> checkpoint;          // or null
  std::unique_ptr<CheckpointedCall> checkpointed;  // or null
  std::unique_ptr<BackendCall> call;
};

std::shared_ptr<Checkpoint> make_checkpoint(const std::optional<std::filesystem::path>& path) {
  return path ? std::make_shared<Checkpoint>(*path) : nullptr;
}

RunningCall::RunningCall(const ParallelOptions& options, std::shared_ptr<Checkpoint> checkpoint,
                         std::optional<std::size_t> total)
    : state_(std::make_unique<State>(choose(options, std::move(checkpoint)), options, total)) {}

RunningCall::~RunningCall() = default;

void RunningCall::stop() {
  state_->call.reset();
}

void RunningCall::start(ResultSink& sink) {
  if (state_->checkpoint) state_->checkpointed = state_->checkpoint->start_call(sink);
  ResultSink& first = state_->checkpointed ? *state_->checkpointed : sink;
  state_->call = state_->backend->start_call(state_->request, first);
}

void RunningCall::submit(std::size_t index, Task& task) {
  while (!state_->window.has_room()) wait();
  if (state_->checkpointed && take_from_checkpoint(index, task)) return;
  state_->call->submit(index, task);
  state_->window.submitted();
}

void RunningCall::finish() {
  while (!state_->window.empty()) wait();
  state_->progress.finish();
}

void RunningCall::wait() {
  constexpr double longest_timeout_seconds = 1e9;  // beyond it, and beyond what the clock can count, there is none
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
  if (!taken) state_->window.finished();
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

void RunningCall::note_finished() {
  state_->window.finished();
  state_->progress.task_finished();
}

void RunningCall::note_failed(std::exception_ptr error) {
  state_->window.finished();
  if (!state_->error) state_->error = std::move(error);
}

}  // namespace joblib_mpi::detail
