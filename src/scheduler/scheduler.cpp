#include "scheduler/scheduler.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace joblib_mpi {

void Scheduler::handle(const SchedulerEvent& event, SchedulerActions& actions) {
  std::visit([&](const auto& concrete) { on(concrete, actions); }, event);
}

void Scheduler::on(const event::WorkerJoined& event, SchedulerActions& actions) {
  workers_.add(event.worker);
  requests_.add(event.worker, event.gives_back);
  all_lost_ = false;
  assign_ready(actions);
}

void Scheduler::on(const event::WorkerGivesBack& event, SchedulerActions&) {
  if (workers_.contains(event.worker)) requests_.can_give_back(event.worker);
}

void Scheduler::on(const event::WorkerLost& event, SchedulerActions& actions) {
  if (!workers_.contains(event.worker)) return;
  // A loss is rare, so its cost may grow with the number of tasks; a list per worker would cost time for each task. The
  // order is reversed because each task is pushed to the front of its queue.
  for (auto task = tasks_.rbegin(); task != tasks_.rend(); ++task) {
    if (!task->held || task->worker != event.worker) continue;
    Call& call = call_of(task->call);
    release(call, *task);
    if (call.ended) {
      actions.push_back(action::Discard{task->id});
      if (call.holders == 0) forget(call.id);
    } else if (!task->only_on && call.retry.allows_more(task->attempts)) {
      task->alone = true;
      run_again(call, *task);
    } else {
      actions.push_back(action::GiveUp{task->id});
    }
  }
  workers_.remove(event.worker);
  requests_.remove(event.worker);
  give_up_pinned(event.worker, actions);
  all_lost_ = workers_.size() == 0;
  all_lost_ ? give_up_all(actions) : assign_ready(actions);
}

void Scheduler::on(const event::CallStarted& event, SchedulerActions&) {
  calls_.push_back({.id = event.call,
                    .max_running = std::max<std::size_t>(event.max_running, 1),
                    .retry = event.retry,
                    .credits = Credits(options_.max_credits)});
  turns_.add(event.call, event.owner);
}

void Scheduler::on(const event::TaskSubmitted& event, SchedulerActions& actions) {
  if (all_lost_ || (event.only_on && !workers_.contains(*event.only_on))) {
    actions.push_back(action::GiveUp{event.task});
    return;
  }
  Call& call = call_of(event.call);
  if (call.stopped) {
    actions.push_back(action::Withdraw{event.task});
    return;
  }
  if (tasks_.size() <= event.task.slot) tasks_.resize(event.task.slot + 1);
  tasks_[event.task.slot] = {.id = event.task,
                             .call = event.call,
                             .only_on = event.only_on,
                             .number = ++submitted_,
                             .items = event.only_on ? 1 : event.items};
  (event.only_on ? call.ready_pinned : call.ready).push(event.task);
  assign_ready(actions);
}

void Scheduler::on(const event::TaskFinished& event, SchedulerActions& actions) {
  Task& task = tasks_.at(event.task.slot);
  assert(task.held && task.id == event.task);
  Call& call = call_of(task.call);
  if (event.ending != TaskEnding::lost) call.credits.observe(event.seconds);
  release(call, task);
  if (call.ended) {
    actions.push_back(action::Discard{event.task});
    if (call.holders == 0) forget(call.id);
  } else if (call.retry.runs_again(event.ending, task.attempts)) {
    task.alone |= !call.retry.allows_more(task.attempts + 1);
    run_again(call, task);
  } else {
    actions.push_back(action::Complete{event.task});
  }
  assign_ready(actions);
}

void Scheduler::on(const event::TasksReturned& event, SchedulerActions& actions) {
  if (!workers_.contains(event.worker)) return;
  requests_.answered(event.worker);
  for (const TaskId id : event.tasks) {
    Task& task = tasks_.at(id.slot);
    assert(task.held && task.id == id && task.worker == event.worker);
    Call& call = call_of(task.call);
    release(call, task);
    --task.attempts;
    put_back(call, task, actions);
    if (call.ended && call.holders == 0) forget(call.id);
  }
  if (event.divided) take_parts(*event.divided, actions);
  assign_ready(actions);
}

void Scheduler::take_parts(const event::BatchDivided& divided, SchedulerActions& actions) {
  Call& call = call_of(tasks_.at(divided.batch.slot).call);
  for (const auto& [id, items] : divided.parts) {
    if (tasks_.size() <= id.slot) tasks_.resize(id.slot + 1);
    const Task& batch = tasks_[divided.batch.slot];
    Task& part = tasks_[id.slot];
    part = {.id = id, .call = batch.call, .number = batch.number, .items = items};
    put_back(call, part, actions);
  }
  Task& batch = tasks_[divided.batch.slot];
  assert(batch.held && batch.id == divided.batch);
  set_items(call, batch, divided.parts.empty() ? 1 : divided.items_left);
}

void Scheduler::put_back(Call& call, const Task& task, SchedulerActions& actions) {
  if (call.ended) {
    actions.push_back(action::Discard{task.id});
  } else if (call.stopped) {
    actions.push_back(action::Withdraw{task.id});
  } else {
    // Tasks that run again come before all others.
    const auto place = [&](const Task& other) { return std::pair(other.attempts == 0, other.number); };
    (task.only_on ? call.ready_pinned : call.ready).push_before(task.id, [&](TaskId other) {
      return place(tasks_[other.slot]) > place(task);
    });
  }
}

void Scheduler::set_items(Call& call, Task& task, std::size_t items) {
  count_items(call, task, -1);
  task.items = items;
  count_items(call, task, 1);
}

void Scheduler::count_items(Call& call, const Task& task, int sign) {
  call.items[static_cast<std::size_t>(task.worker.value)] += static_cast<std::size_t>(sign) * task.items;
  if (task.items > 1) batches_held_ += static_cast<std::size_t>(sign);
}

void Scheduler::on(const event::Lull&, SchedulerActions& actions) {
  take_back(Worth::in_any_case, actions);
}

void Scheduler::on(const event::CallStopped& event, SchedulerActions& actions) {
  Call& call = call_of(event.call);
  call.stopped = true;
  call.retry = {};
  for (ReadyQueue* queue : call.queues()) {
    while (!queue->empty()) actions.push_back(action::Withdraw{queue->pop()});
  }
  cancel_at_workers(call, WhatRuns::goes_on, actions);
}

void Scheduler::on(const event::CallEnded& event, SchedulerActions& actions) {
  Call& call = call_of(event.call);
  call.ended = true;
  for (ReadyQueue* queue : call.queues()) {
    while (!queue->empty()) actions.push_back(action::Discard{queue->pop()});
  }
  cancel_at_workers(call, WhatRuns::is_interrupted, actions);
  if (call.holders == 0) forget(call.id);
}

void Scheduler::cancel_at_workers(const Call& call, WhatRuns running, SchedulerActions& actions) {
  for (std::size_t worker = 0; worker < call.held.size(); ++worker) {
    if (call.held[worker] == 0) continue;
    actions.push_back(action::CancelCall{call.id, WorkerId{static_cast<int>(worker)}, running});
  }
}

void Scheduler::assign_ready(SchedulerActions& actions) {
  for (Call& call : calls_) assign_pinned(call, actions);
  turns_.go_round([&](CallId call) { return assign_next(call_of(call), actions); });
  take_back(Worth::if_it_takes_time, actions);
}

void Scheduler::take_back(Worth worth, SchedulerActions& actions) {
  waits_for_lull_ = false;
  if (workers_.most_held() < 2 && batches_held_ == 0) return;
  for (const Call& call : calls_) {
    if (call.holders > 0 && !call.stopped && !call.ended) take_back(call, worth, actions);
  }
}

void Scheduler::take_back(const Call& call, Worth worth, SchedulerActions& actions) {
  const bool all = others_wait(call);
  for (std::size_t wanted = all ? tasks_.size() : wanted_by_idle(call); wanted > 0;) {
    const auto [worker, waiting] = most_waiting(call);
    if (waiting == 0) return divide_batches(call, worth, wanted, actions);
    if (worth == Worth::if_it_takes_time && call.credits.seconds_of(waiting) < seconds_of_a_message) {
      waits_for_lull_ = true;
      return;
    }
    // The holder keeps as many as each of the idle workers gets, unless it is so long busy that there is a lull.
    const bool share = !all && worth == Worth::if_it_takes_time;
    const std::size_t tasks = share ? (waiting * wanted + wanted) / (wanted + 1) : waiting;
    actions.push_back(action::TakeBack{call.id, worker, tasks});
    requests_.ask(worker, tasks);
    wanted -= std::min(wanted, tasks);
  }
}

void Scheduler::divide_batches(const Call& call, Worth worth, std::size_t wanted, SchedulerActions& actions) {
  const bool all = others_wait(call);
  const double least_seconds = all ? options_.prefetch_seconds : seconds_of_a_message;
  while (wanted > 0) {
    const auto [worker, items] = most_items(call);
    if (items == 0) return;
    if (worth == Worth::if_it_takes_time && call.credits.seconds_of(1) < least_seconds) {
      waits_for_lull_ = true;
      return;
    }
    const std::size_t parts = all ? 1 : std::min(wanted, items);
    const bool share = !all && worth == Worth::if_it_takes_time;
    actions.push_back(action::TakeBack{call.id, worker, 0, {static_cast<std::uint32_t>(parts), share}});
    requests_.ask(worker, parts);
    wanted -= std::min(wanted, parts);
  }
}

Scheduler::Holder Scheduler::most_items(const Call& call) const {
  Holder most;
  for (std::size_t index = 0; index < call.items.size(); ++index) {
    const WorkerId worker{static_cast<int>(index)};
    const std::size_t items = call.items[index] - call.held[index];
    if (items > most.waiting && requests_.may_ask(worker)) most = {worker, items};
  }
  return most;
}

std::size_t Scheduler::wanted_by_idle(const Call& call) const {
  if (call.has_ready() || call.holders >= call.max_running) return 0;
  const std::size_t idle = std::min(workers_.idle(), call.max_running - call.holders);
  return idle - std::min(idle, requests_.expected());
}

Scheduler::Holder Scheduler::most_waiting(const Call& call) const {
  Holder most;
  for (std::size_t index = 0; index < call.held.size(); ++index) {
    const WorkerId worker{static_cast<int>(index)};
    if (call.held[index] == 0 || !requests_.may_ask(worker)) continue;
    // The first one of all calls runs, and may be of this one.
    const std::size_t waiting = std::min(call.held[index], workers_.waiting(worker));
    if (waiting > most.waiting) most = {worker, waiting};
  }
  return most;
}

void Scheduler::assign_pinned(Call& call, SchedulerActions& actions) {
  const auto can_start = [&](TaskId id) {
    const WorkerId worker = *tasks_[id.slot].only_on;
    return workers_.load(worker) == 0 && call.holders < call.max_running;  // such a worker holds nothing of this call
  };
  while (const std::optional<TaskId> id = call.ready_pinned.pop_first(can_start)) {
    Task& task = tasks_[id->slot];
    actions.push_back(action::Assign{*id, *task.only_on});
    take(call, task, *task.only_on);
  }
}

bool Scheduler::assign_next(Call& call, SchedulerActions& actions) {
  if (!call.has_ready() || workers_.size() == 0) return false;
  ReadyQueue& queue = call.ready_alone.empty() ? call.ready : call.ready_alone;
  Task& task = tasks_[queue.front().slot];
  const std::optional<WorkerId> worker = worker_for(call, task);
  if (!worker) return false;
  actions.push_back(action::Assign{queue.pop(), *worker});
  take(call, task, *worker);
  return true;
}

std::optional<WorkerId> Scheduler::worker_for(const Call& call, const Task& task) const {
  const std::size_t limit = task.alone ? 1 : most_held(call);
  if (call.max_running >= workers_.size()) return workers_.least_loaded(limit, task.failed_on);

  if (call.holders < call.max_running) {
    if (const auto idle = workers_.least_loaded(1, task.failed_on))
      return idle;  // such a worker holds nothing of this call
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

std::size_t Scheduler::most_held(const Call& call) const {
  // Calls that compete hold nothing ahead: the tasks of other calls would have to wait behind it. Nothing is held ahead
  // either while a task waits for a worker that holds none: no worker would ever be idle.
  if (others_wait(call) || !call.retry.allows_more(1)) return 1;
  const std::size_t workers = std::min(call.max_running, workers_.size());
  if (requests_.all_give_back()) {
    return call.credits.per_worker(call.ready.size(), workers, options_.prefetch_seconds,
                                   options_.longest_ahead * options_.prefetch_seconds);
  }
  return call.credits.per_worker(call.ready.size(), workers,
                                 std::min(options_.prefetch_seconds, options_.most_prefetch_seconds_for_good));
}

bool Scheduler::others_wait(const Call& call) const {
  return std::ranges::any_of(calls_, [&](const Call& other) {
    return !other.ready_alone.empty() || !other.ready_pinned.empty() || (&other != &call && !other.ready.empty());
  });
}

void Scheduler::run_again(Call& call, Task& task) {
  task.failed_on = task.worker;
  task.items = 1;  // which of its items has failed is not known, so it stays whole
  (task.only_on ? call.ready_pinned : task.alone ? call.ready_alone : call.ready).push_front(task.id);
}

void Scheduler::give_up_pinned(WorkerId worker, SchedulerActions& actions) {
  const auto waits_for_it = [&](TaskId id) { return tasks_[id.slot].only_on == worker; };
  for (Call& call : calls_) {
    while (const std::optional<TaskId> id = call.ready_pinned.pop_first(waits_for_it)) {
      actions.push_back(action::GiveUp{*id});
    }
  }
}

void Scheduler::give_up_all(SchedulerActions& actions) {
  for (Call& call : calls_) {
    for (ReadyQueue* queue : call.queues()) {
      while (!queue->empty()) actions.push_back(action::GiveUp{queue->pop()});
    }
  }
}

void Scheduler::take(Call& call, Task& task, WorkerId worker) {
  task.worker = worker;
  task.held = true;
  ++task.attempts;
  task.alone ? workers_.set_full(worker) : workers_.increment(worker);
  const auto index = static_cast<std::size_t>(worker.value);
  if (call.held.size() <= index) {
    call.held.resize(index + 1);
    call.items.resize(index + 1);
  }
  if (++call.held[index] == 1) ++call.holders;
  count_items(call, task, 1);
}

void Scheduler::release(Call& call, Task& task) {
  task.held = false;
  task.alone ? workers_.set_free(task.worker) : workers_.decrement(task.worker);
  count_items(call, task, -1);
  if (--call.held[static_cast<std::size_t>(task.worker.value)] == 0) --call.holders;
}

Scheduler::Call& Scheduler::call_of(CallId id) {
  const auto call = std::ranges::find(calls_, id, &Call::id);
  assert(call != calls_.end());
  return *call;
}

void Scheduler::forget(CallId id) {
  calls_.erase(std::ranges::find(calls_, id, &Call::id));
  turns_.remove(id);
}

}  // namespace joblib_mpi
