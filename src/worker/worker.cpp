#include "worker/worker.hpp"

#include "core/clock_duration.hpp"
#include "files/file_comparison.hpp"
#include "protocol/wire_format.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <utility>

namespace joblib_mpi {
namespace {

/// The run time up to which results of small tasks, taken together, may wait for each other and share a message: about
/// the cost of one message on a network.
constexpr double most_seconds_held_back = 20e-6;
constexpr std::size_t most_bytes_held_back = 3072;  // so that the frame stays one eager message

/// The time between two looks at rank 0's process and the node's memory, which cost as much as ten messages. Shorter
/// with a short heartbeat. Chosen, not measured.
constexpr double seconds_between_looks_around = 10e-3;

std::chrono::steady_clock::duration between_looks_around(const Settings& settings) {
  const double seconds = settings.heartbeat_seconds > 0
                             ? std::min(seconds_between_looks_around, settings.heartbeat_seconds / 16)
                             : seconds_between_looks_around;
  return clock_duration(seconds);
}

Payload text_payload(std::string_view text) {
  return {std::as_bytes(std::span(text)), {}};
}

}  // namespace

Worker::Worker(Transport& transport, ObjectStore& store, Executor& executor, IdleWaiter& waiter,
               const Settings& settings, DuringTasks during_tasks)
    : transport_(&transport),
      store_(&store),
      executor_(&executor),
      waiter_(&waiter),
      tasks_per_message_(settings.tasks_per_message),
      grace_seconds_(settings.grace_seconds),
      between_looks_around_(between_looks_around(settings)),
      during_tasks_(during_tasks),
      coordinator_watch_(settings.heartbeat_seconds) {}

to_worker::Stop Worker::serve() {
  constexpr unsigned turns_between_clock_readings = 64;  // so that most turns do nothing but poll
  Clock::time_point next_look_around{};
  for (unsigned turns = 0; !stopped();) {
    if (step()) {
      waiter_->reset();
      continue;
    }
    if (++turns % turns_between_clock_readings == 0) {
      if (const auto now = Clock::now(); now >= next_look_around) {
        look_around(now);
        next_look_around = now + between_looks_around_;
      }
    }
    waiter_->wait();
  }
  return *stop_;
}

bool Worker::stopped() const {
  return said_goodbye_ && transport_->quiet();
}

bool Worker::step() {
  if (attend_error_) std::rethrow_exception(std::exchange(attend_error_, nullptr));
  bool active = receive();
  active |= hear_of_pieces();
  active |= store_->progress();
  active |= take_finished_task();
  ask_for_spill_folder();
  if (!running_) executor_->reclaim();
  const bool started = start_tasks();
  active |= started;
  if (queue_.empty() || running_ || !started) send_results();  // nothing more will join them soon
  if (rejoin_ && !running_) come_back();
  if (stop_ && !running_ && !said_goodbye_) {
    send_results();
    say(to_coordinator::Goodbye{});
    said_goodbye_ = true;
  }
  return active;
}

void Worker::attend(Clock::time_point now) noexcept {
  if (attend_error_) return;
  try {
    while (receive() || hear_of_pieces()) {
    }
    store_->progress();
    send_results();
    report_stuck(now);
    look_around(now);
  } catch (...) {
    attend_error_ = std::current_exception();
  }
}

void Worker::report_stuck(Clock::time_point now) {
  if (!running_ || running_->limit_seconds == 0 || running_->reported_stuck) return;
  const std::chrono::duration<double> used = now - running_->started;
  if (used.count() <= running_->limit_seconds + grace_seconds_) return;
  running_->reported_stuck = true;
  say(to_coordinator::Stuck{running_->task});
}

void Worker::look_around(Clock::time_point now) {
  if (node_room_ && begun_ && !rejoin_ && !said_goodbye_) {
    if (const auto bytes = node_room_->news(now, store_->stats().objects > 0)) say(to_coordinator::RoomLeft{*bytes});
  }
  watch_coordinator(now);
}

void Worker::watch_coordinator(Clock::time_point now) {
  if (!coordinator_loss_.lost || said_goodbye_ || left_alone_) return;
  const std::vector<int> lost = transport_->take_lost_ranks();
  if (std::ranges::find(lost, 0) != lost.end()) {
    outlive_coordinator("was found dead by MPI");
  } else if (coordinator_loss_.has_ended()) {
    outlive_coordinator("has ended");
  } else if (coordinator_watch_.is_overdue(now)) {
    if (coordinator_loss_.is_running()) return coordinator_watch_.heard();
    coordinator_loss_.lost("was silent for " + std::to_string(std::lround(coordinator_watch_.patience_seconds())) +
                           " s");
  }
}

void Worker::outlive_coordinator(const std::string& reason) {
  const std::optional<int> status = coordinator_loss_.session_status();
  if (!status) return coordinator_loss_.lost(reason);
  left_alone_ = true;
  transport_->give_up(0);
  stop_ = to_worker::Stop{.status = *status, .failure = {}, .ranks_lost = true};
  queue_.clear();
  if (running_) cancel_running();
}

template <class Message>
void Worker::say(const Message& message) {
  Frame frame;
  append(frame, message);
  send(frame);
}

void Worker::send(Frame& frame) {
  if (left_alone_) {
    frame = {};
  } else {
    transport_->send(0, frame);
  }
}

bool Worker::receive() {
  if (said_goodbye_) {
    transport_->progress();
    return false;
  }
  const std::optional<ArrivedFrame> arrived = transport_->receive();
  if (!arrived) return false;
  coordinator_watch_.heard();
  for (FrameReader reader(arrived->frame); !reader.at_end();) {
    MessageToWorker next = reader.next_to_worker();
    if (!begun_ && !std::holds_alternative<to_worker::Begin>(next)) continue;
    std::visit([this](auto&& message) { handle(std::forward<decltype(message)>(message)); }, std::move(next));
  }
  return true;
}

bool Worker::hear_of_pieces() {
  if (transport_->take_heard_ranks().empty()) return false;
  coordinator_watch_.heard();
  return true;
}

void Worker::handle(const to_worker::Begin&) {
  begun_ = true;
  say(to_coordinator::Hello{.answers_during_tasks = during_tasks_ == DuringTasks::answers});
}

void Worker::handle(to_worker::RunTask&& message) {
  if (broken_) return;  // sent before rank 0 knew that this worker is broken
  if (!message.no_room.empty()) return report({message.task, TaskEnding::lost, 0.0, text_payload(message.no_room)});
  queue_.push_back({std::move(message), spill_place_});
}

void Worker::handle(const to_worker::CancelCall& message) {
  const auto first = std::ranges::stable_partition(queue_, [&](const to_worker::RunTask& task) {
                       return task.call != message.call;
                     }).begin();
  for (auto task = first; task != queue_.end(); ++task) report({task->task, TaskEnding::cancelled, 0.0, {}});
  queue_.erase(first, queue_.end());
  if (message.running == WhatRuns::goes_on) return;
  if (running_ && running_->call == message.call) cancel_running();
}

void Worker::handle(const to_worker::TakeBack& message) {
  to_coordinator::Returned returned;
  const std::size_t kept = running_ ? 0 : 1;  // the first one, if it waits for its objects only
  for (std::size_t index = queue_.size(); index > kept && returned.tasks.size() < message.most; --index) {
    const auto task = queue_.begin() + static_cast<std::ptrdiff_t>(index - 1);
    if (task->call != message.call) continue;
    returned.tasks.push_back(task->task);
    queue_.erase(task);
  }
  std::ranges::reverse(returned.tasks);
  if (message.seekers.workers > 0 && running_ && running_->call == message.call && !running_->cancelled) {
    returned.items = {running_->task, executor_->take_back_items(message.seekers), message.seekers.workers};
  }
  send_results();  // before the answer: then rank 0 does not ask for tasks that have finished
  say(returned);
}

void Worker::cancel_running() {
  if (std::exchange(running_->cancelled, true)) return;
  executor_->interrupt();
}

void Worker::handle(const to_worker::ShareObject& message) {
  store_->expect(message.object, message.part_bytes);
}

void Worker::handle(const to_worker::BroadcastsEnded&) {
  broadcasts_ended_ = true;
  say(to_coordinator::ObjectsMissing{store_->end_broadcasts()});
}

void Worker::handle(to_worker::ObjectContent&& message) {
  if (!message.no_room.empty()) return store_->refuse(message.object, std::move(message.no_room));
  store_->put(message.object, std::move(message.value));
}

void Worker::handle(const to_worker::Ping& message) {
  if (message.asks_always) coordinator_watch_.begin();
  say(to_coordinator::Pong{});
}

void Worker::handle(const to_worker::DropObject& message) {
  store_->drop(message.object);
  executor_->forget(message.object);
}

void Worker::handle(const to_worker::Stop& message) {
  stop_ = message;
  for (const to_worker::RunTask& task : queue_) report({task.task, TaskEnding::cancelled, 0.0, {}});
  queue_.clear();
  if (running_) cancel_running();
}

void Worker::handle(to_worker::SpillInto&& message) {
  message.place.rank = transport_->rank();
  spill_place_ = std::make_shared<const SpillPlace>(std::move(message.place));
}

void Worker::ask_for_spill_folder() {
  if (!running_ || !executor_->wants_spill_folder()) return;
  if (running_->cancelled) {
    executor_->give_spill_folder(std::make_shared<const SpillPlace>());  // the result is not wanted
  } else if (!std::exchange(running_->asked_for_folder, true)) {
    say(to_coordinator::SpillFolderWanted{running_->call});
  }
}

void Worker::handle(to_worker::SpillFolderMade&& message) {
  // Otherwise it answers for a task that was cancelled in between.
  if (!running_ || !running_->asked_for_folder || running_->call != message.call) return;
  const bool is_wanted = !message.place.folder.empty();
  message.place.rank = transport_->rank();
  const auto made = std::make_shared<const SpillPlace>(std::move(message.place));
  const auto replace = [&, before = running_->spill_place](std::shared_ptr<const SpillPlace>& place) {
    if (is_wanted && place && *place == *before) place = made;
  };
  for (WaitingTask& task : queue_) replace(task.spill_place);
  replace(spill_place_);
  if (executor_->wants_spill_folder()) executor_->give_spill_folder(made);
}

void Worker::handle(const to_worker::Rejoin& message) {
  queue_.clear();
  send_results();  // rank 0 ignores them, but removes the files of results that have spilled
  spill_place_.reset();
  if (!std::exchange(broadcasts_ended_, true)) (void)store_->end_broadcasts();
  rejoin_ = message;
  if (running_) cancel_running();
}

void Worker::come_back() {
  send_results();
  say(to_coordinator::Hello{during_tasks_ == DuringTasks::answers, rejoin_->epoch, store_->settled_objects()});
  rejoin_.reset();
  if (node_room_) node_room_->begin_again();
}

void Worker::handle(const to_worker::CompareFile& message) {
  std::string reason;
  try {
    reason = why_not_the_file(message.file).value_or("");
  } catch (const Error& error) {
    reason = error.what();
  }
  say(to_coordinator::FileCompared{message.question, reason});
}

bool Worker::start_tasks() {
  bool started = false;
  seconds_without_look_ = 0;
  while (seconds_without_look_ <= most_seconds_held_back && start_next_task()) {
    started = true;
    if (!take_finished_task()) break;  // unless the executor has run the task on this thread
  }
  return started;
}

bool Worker::start_next_task() {
  if (running_ || queue_.empty()) return false;
  WaitingTask& next = queue_.front();
  ExecutorTask task{next.task, {}, {}, next.limits, {{}, next.call, next.index + next.items.first}, next.items};
  task.objects.reserve(next.objects.size());
  for (const ObjectId object : next.objects) {
    auto value = store_->find(object);
    if (!value) {
      const std::optional<std::string> refusal = store_->refusal(object);
      return refusal && refuse_next_task(*refusal);  // otherwise the object is still on its way
    }
    task.objects.push_back({object, std::move(value)});
  }
  // Finished results are sent before a task that may take long.
  if (results_count_ >= tasks_per_message_ || results_seconds_ > most_seconds_held_back ||
      results_.body.size() > most_bytes_held_back || !results_.parts.empty()) {
    send_results();
  }
  task.arguments = std::move(next.arguments);
  task.place.spill = next.spill_place;
  running_ = RunningTask{.task = next.task,
                         .call = next.call,
                         .limit_seconds = next.limits.seconds,
                         .spill_place = std::move(next.spill_place)};
  if (running_->limit_seconds > 0) running_->started = Clock::now();
  queue_.pop_front();
  // Last, because the executor may run the function here while another thread attends to this worker.
  executor_->start(std::move(task));
  return true;
}

bool Worker::refuse_next_task(const std::string& reason) {
  report({queue_.front().task, TaskEnding::lost, 0.0, text_payload(reason)});
  queue_.pop_front();
  return true;
}

bool Worker::take_finished_task() {
  if (!running_) return false;
  std::optional<ExecutedTask> done = executor_->take_finished();
  if (!done) return false;
  seconds_without_look_ += done->seconds;
  const TaskEnding ending = running_->cancelled ? TaskEnding::cancelled : done->ending;
  report({done->task, ending, done->seconds, std::move(done->result)});
  running_.reset();
  if (ending == TaskEnding::lost) {
    if (const auto reason = executor_->broken()) leave_tasks_to_others(*reason);
  }
  return true;
}

void Worker::leave_tasks_to_others(const std::string& reason) {
  send_results();
  queue_.clear();
  if (!std::exchange(broken_, true)) say(to_coordinator::Broken{reason});
}

void Worker::report(to_coordinator::TaskFinished&& message) {
  if (message.ending == TaskEnding::cancelled) message.result = {};
  message.result.share_long_head();
  results_seconds_ += message.seconds;
  append(results_, std::move(message));
  ++results_count_;
}

void Worker::send_results() {
  if (results_count_ == 0) return;
  send(results_);
  results_count_ = 0;
  results_seconds_ = 0;
}

}  // namespace joblib_mpi
