#include "scheduler/scheduler.hpp"

#include <algorithm>
#include <cassert>

namespace joblib_mpi {

void Scheduler::handle(const SchedulerEvent& event, SchedulerActions& actions) {
  std::visit([&](const auto& concrete) { on(concrete, actions); }, event);
}

void Scheduler::on(const event::WorkerJoined& event, SchedulerActions& actions) {
  workers_.add(event.worker);
  assign_ready(actions);
}

void Scheduler::on(const event::CallStarted& event, SchedulerActions&) {
  calls_.emplace_back(event.call, std::max<std::size_t>(event.max_running, 1),
                      Credits(options_.prefetch_seconds, options_.max_credits));
}

void Scheduler::on(const event::TaskSubmitted& event, SchedulerActions& actions) {
  call_of(event.call).ready.push(event.task);
  assign_ready(actions);
}

void Scheduler::on(const event::TaskFinished& event, SchedulerActions& actions) {
  const auto [call_id, worker] = held_.at(event.task.slot);
  Call& call = call_of(call_id);
  call.credits.observe(event.seconds);
  release(call, worker);
  if (call.ended) {
    actions.push_back(action::Discard{event.task});
    if (call.holders == 0) forget(call_id);
  } else {
    actions.push_back(action::Complete{event.task});
  }
  assign_ready(actions);
}

void Scheduler::on(const event::CallEnded& event, SchedulerActions& actions) {
  Call& call = call_of(event.call);
  call.ended = true;
  while (!call.ready.empty()) actions.push_back(action::Discard{call.ready.pop()});
  for (std::size_t worker = 0; worker < call.held.size(); ++worker) {
    if (call.held[worker] > 0) actions.push_back(action::CancelCall{call.id, WorkerId{static_cast<int>(worker)}});
  }
  if (call.holders == 0) forget(call.id);
}

void Scheduler::assign_ready(SchedulerActions& actions) {
  for (std::size_t without_success = 0; without_success < calls_.size();) {
    if (turn_ >= calls_.size()) turn_ = 0;
    without_success = assign_next(calls_[turn_++], actions) ? 0 : without_success + 1;
  }
}

bool Scheduler::assign_next(Call& call, SchedulerActions& actions) {
  if (call.ready.empty()) return false;
  const std::optional<WorkerId> worker = worker_for(call);
  if (!worker) return false;
  const TaskId task = call.ready.pop();
  take(call, *worker);
  if (held_.size() <= task.slot) held_.resize(task.slot + 1);
  held_[task.slot] = {call.id, *worker};
  actions.push_back(action::Assign{task, *worker});
  return true;
}

std::optional<WorkerId> Scheduler::worker_for(const Call& call) const {
  if (workers_.size() == 0) return std::nullopt;
  const bool alone = std::ranges::count_if(calls_, [](const Call& other) { return !other.ready.empty(); }) == 1;
  const std::size_t usable = std::min(call.max_running, workers_.size());
  // Calls that compete hold nothing ahead: the others would have to wait behind it.
  const std::size_t limit = alone ? call.credits.per_worker(call.ready.size(), usable) : 1;
  if (call.max_running >= workers_.size()) return workers_.least_loaded(limit);

  if (call.holders < call.max_running) {
    if (const auto idle = workers_.least_loaded(1)) return idle;  // idle: so it holds nothing of this call
  }
  std::optional<WorkerId> fewest;
  std::size_t fewest_load = limit;
  for (std::size_t index = 0; index < call.held.size(); ++index) {
    const WorkerId worker{static_cast<int>(index)};
    if (call.held[index] == 0 || workers_.load(worker) >= fewest_load) continue;
    fewest = worker;
    fewest_load = workers_.load(worker);
  }
  return fewest;
}

void Scheduler::take(Call& call, WorkerId worker) {
  workers_.increment(worker);
  const auto index = static_cast<std::size_t>(worker.value);
  if (call.held.size() <= index) call.held.resize(index + 1);
  if (++call.held[index] == 1) ++call.holders;
}

void Scheduler::release(Call& call, WorkerId worker) {
  workers_.decrement(worker);
  if (--call.held[static_cast<std::size_t>(worker.value)] == 0) --call.holders;
}

Scheduler::Call& Scheduler::call_of(CallId id) {
  const auto call = std::ranges::find(calls_, id, &Call::id);
  assert(call != calls_.end());
  return *call;
}

void Scheduler::forget(CallId id) {
  calls_.erase(std::ranges::find(calls_, id, &Call::id));
}

}  // namespace joblib_mpi
