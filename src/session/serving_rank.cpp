#include "session/serving_rank.hpp"

#include "executor/in_process_executor.hpp"
#include "executor/isolated_executor.hpp"
#include "worker/stand_in.hpp"

#include <optional>

namespace joblib_mpi {
namespace {

bool wants_stand_in(const ServingRank::TaskPlace& place) {
  const auto* thread = std::get_if<ServingRank::ServingThread>(&place);
  return thread != nullptr && thread->has_stand_in;
}

Worker::DuringTasks during_tasks(const ServingRank::TaskPlace& place) {
  const auto* thread = std::get_if<ServingRank::ServingThread>(&place);
  return thread == nullptr || thread->has_stand_in ? Worker::DuringTasks::answers : Worker::DuringTasks::is_silent;
}

}  // namespace

ServingRank::ServingRank(const Rank& rank, const TaskPlace& place)
    : settings_(rank.settings),
      store_(rank.transport, rank.segments, rank.node_links),
      has_stand_in_(wants_stand_in(place)),
      waiter_(rank.settings, rank.has_own_core, rank.wake_flag, rank.woken_by),
      worker_(rank.transport, store_, make_executor(rank, place), waiter_, rank.settings, during_tasks(place)) {
  if (store_.is_node_head() && rank.room) worker_.watch_room(rank.room);
}

Executor& ServingRank::make_executor(const Rank& rank, const TaskPlace& place) {
  if (const auto* other = std::get_if<OtherThread>(&place)) {
    if (rank.result_format != nullptr) other->executor.spill_with(*rank.result_format);
    return other->executor;
  }
  if (const auto* processes = std::get_if<ExecutorProcesses>(&place)) {
    own_executor_ = std::make_unique<IsolatedExecutor>(
        processes->zygote, rank.segments,
        IsolatedExecutor::Options{.grace_seconds = rank.settings.grace_seconds,
                                  .wear = {.most_tasks = rank.settings.executor_tasks,
                                           .most_growth_bytes = rank.settings.executor_growth_bytes}});
    return *own_executor_;
  }
  auto executor = std::make_unique<InProcessExecutor>(runner_, has_stand_in_ ? &worker_mutex_ : nullptr);
  if (rank.result_format != nullptr) executor->spill_with(*rank.result_format);
  own_executor_ = std::move(executor);
  return *own_executor_;
}

to_worker::Stop ServingRank::serve() {
  const std::lock_guard serving(worker_mutex_);
  std::optional<StandIn> stand_in;
  if (has_stand_in_) stand_in.emplace(worker_, worker_mutex_, settings_);
  return worker_.serve();
}

}  // namespace joblib_mpi
