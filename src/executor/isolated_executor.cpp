#include "executor/isolated_executor.hpp"

#include "core/clock_duration.hpp"
#include "core/process_watch.hpp"
#include "executor/ended_task.hpp"
#include "executor/process_tree.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <system_error>
#include <utility>

namespace joblib_mpi {
namespace {

constexpr int most_exits_before_taking = 3;  // chosen, not measured

/// The longest time from an executor's fork to its first `next_task`. Chosen, not measured.
constexpr std::chrono::seconds longest_start{60};

/// The time for the kernel to end a process, and for the zygote to end the processes that it left behind. Chosen, not
/// measured.
constexpr std::chrono::seconds longest_kill{5};

/// The time for an executor without a task to exit; a pool of processes that its tasks have created exits first.
/// Chosen, not measured.
constexpr std::chrono::seconds shortest_farewell{2};

/// The number of polls for results after which the clock is read, if nothing that is due depends on it.
constexpr unsigned looks_per_clock = 64;
constexpr std::chrono::milliseconds between_looks_at_zygote{10};

std::string megabytes(std::uint64_t bytes) {
  return std::to_string((bytes + 500'000) / 1'000'000) + " MB";
}

}  // namespace

IsolatedExecutor::IsolatedExecutor(Zygote& zygote, SegmentPool& pool, Options options)
    : zygote_(&zygote),
      pool_(&pool),
      region_(&zygote.region()),
      grace_(clock_duration(options.grace_seconds)),
      zygote_patience_(clock_duration(options.zygote_seconds)),
      wear_(options.wear),
      last_number_(std::max(region_->taken.load(), region_->interrupted.load())) {
  start_executor();
}

IsolatedExecutor::~IsolatedExecutor() {
  if (!running_ && region_->ready_generation == generation_ && broken_.empty()) {
    if (!executor_retired_) channel_->send_close();
    if (wait_for_exit(std::max<std::chrono::nanoseconds>(grace_, shortest_farewell))) return;
  }
  zygote_->kill_executor(generation_);
  if (region_->zygote_state == SharedRegion::prepared) wait_for_exit(longest_kill);
}

bool IsolatedExecutor::wait_for_exit(std::chrono::nanoseconds longest) {
  constexpr std::chrono::milliseconds pause{10};  // between checks whether the zygote has ended
  const auto end = Clock::now() + longest;
  while (region_->exited_generation.load(std::memory_order_acquire) != generation_) {
    if (Clock::now() >= end || zygote_->failure()) return false;
    region_->page.wake_flag.wait_for(pause);
  }
  return true;
}

void IsolatedExecutor::start_executor() {
  channel_.reset();
  shared_.clear();
  spill_place_.reset();
  broken_.clear();
  executor_retired_.reset();
  wear_.begin();
  region_->to_executor.clear();
  region_->to_worker.clear();
  SocketPair sockets = make_socket_pair();
  executor_started_ = Clock::now();
  executor_ending_.reset();
  channel_.emplace(*pool_, MessageChannel::Ends{region_->to_executor, region_->to_worker, region_->executor_wake},
                   std::move(sockets.first), MessageChannel::WhenFull::keep);
  generation_ = zygote_->start_executor(std::move(sockets.second));
}

void IsolatedExecutor::start(ExecutorTask task) {
  assert(!running_);
  running_.emplace(RunningTask{std::move(task), ++last_number_});
  looks_ = 0;
  if (region_->exited_generation.load(std::memory_order_acquire) == generation_) {
    start_executor();  // the previous one was ended from outside
  } else if (!executor_retired_ && region_->ready_generation.load(std::memory_order_acquire) == generation_) {
    pass_on();
  }
}

void IsolatedExecutor::pass_on() {
  const ExecutorTask& task = running_->task;
  running_->passed_on = true;
  if (task.limits.seconds > 0) running_->passed_on_at = Clock::now();
  try {
    while (channel_->receive()) {
    }
    for (const auto& [object, value] : task.objects) {
      if (shared_.insert(object).second) channel_->send_object(object, *value);
    }
    if (task.place.spill && task.place.spill != spill_place_) {
      channel_->send_spill_place(*task.place.spill);
      spill_place_ = task.place.spill;
    }
    region_->items.begin(task.items);
    region_->memory_limit = task.limits.memory_bytes;
    if (task.limits.memory_bytes != 0 && !region_->watching_memory) zygote_->watch_memory(generation_);
    channel_->send_task(running_->number, task);
  } catch (const std::exception& error) {
    give_up_executor(error.what());
  }
}

std::optional<ExecutedTask> IsolatedExecutor::take_finished() {
  if (!running_) return std::nullopt;
  // The order matters: once the end of an executor is visible, everything that it has sent is visible, too.
  const bool exited = region_->exited_generation.load(std::memory_order_acquire) == generation_;
  if (executor_retired_) {
    if (exited) start_executor();
    return running_->interrupted ? std::optional(ended(TaskEnding::lost, "cancelled before it began"))
                                 : look_at_clock();
  }
  if (auto done = receive()) return done;
  if (exited) return after_exit();
  if (running_->interrupted && !running_->passed_on) return ended(TaskEnding::lost, "cancelled before it began");
  if (!running_->passed_on && region_->ready_generation.load(std::memory_order_acquire) == generation_) pass_on();
  if (++looks_ % looks_per_clock == 0 || running_->passed_on_at || running_->kill_at) return look_at_clock();
  return std::nullopt;
}

std::optional<ExecutedTask> IsolatedExecutor::receive() {
  if (!broken_.empty()) return std::nullopt;
  try {
    channel_->flush();
    std::optional<ExecutorMessage> message = channel_->receive();
    if (!message) return std::nullopt;
    if (std::holds_alternative<executor_message::SpillFolderWanted>(*message) && running_->passed_on) {
      running_->wants_spill_folder = true;
      return std::nullopt;
    }
    auto* done = std::get_if<executor_message::TaskDone>(&*message);
    if (done == nullptr || !running_->passed_on || done->task.task != running_->task.task) {
      throw SerializationError("the executor process sent a result of a task that it was not running");
    }
    exits_before_taking_ = 0;
    const Clock::time_point now = Clock::now();
    if (over_time(now)) return timed_out();
    region_->memory_limit.store(0, std::memory_order_relaxed);
    running_.reset();
    if (wear_.is_worn_after_task(region_->executor_pid, now)) retire_executor(now);
    return std::move(done->task);
  } catch (const std::exception& error) {
    give_up_executor(error.what());
    return std::nullopt;
  }
}

void IsolatedExecutor::retire_executor(Clock::time_point now) {
  executor_retired_ = now;
  channel_->send_close();
}

void IsolatedExecutor::give_up_executor(std::string text) {
  broken_ = std::move(text);
  kill_executor(Clock::now());
}

std::optional<ExecutedTask> IsolatedExecutor::after_exit() {
  const std::string how = exit_text();
  const bool taken = running_->passed_on && region_->taken == running_->number;
  start_executor();
  if (running_->timed_out) return timed_out();
  if (taken) {
    exits_before_taking_ = 0;
    return ended(TaskEnding::lost, how);
  }
  running_->passed_on = false;
  if (++exits_before_taking_ < most_exits_before_taking) return std::nullopt;
  exits_before_taking_ = 0;
  no_more_executors_ = std::to_string(most_exits_before_taking) +
                       " executor processes in a row ended before they took a task, the last with " + how;
  return ended(TaskEnding::lost, *no_more_executors_);
}

std::string IsolatedExecutor::exit_text() const {
  if (!broken_.empty()) return broken_;
  if (const int error = region_->fork_error; error != 0) {
    return "no executor process could be started: " + std::generic_category().message(error);
  }
  if (region_->memory_used != 0) {
    return "memory limit: used " + megabytes(region_->memory_used) + " of " + megabytes(region_->memory_allowed);
  }
  const std::string how = describe_exit(region_->wait_status);
  return region_->ended_with_zygote ? "the process that starts executors ended with " + how : how;
}

std::optional<ExecutedTask> IsolatedExecutor::look_at_clock() {
  const Clock::time_point now = Clock::now();
  if (now - zygote_seen_ > between_looks_at_zygote) {
    zygote_seen_ = now;
    if (const auto failure = zygote_->failure()) return ended(TaskEnding::lost, *failure);
    look_at_end(now);
    if (executor_retired_ && now - *executor_retired_ > shortest_farewell && !executor_ending_) kill_executor(now);
    if (executor_retired_ || region_->zygote_state != SharedRegion::prepared) executor_started_ = now;
    if (!running_->passed_on && now - executor_started_ > longest_start && broken_.empty()) {
      give_up_executor("it was not ready within 60 s");
    }
  }
  if (running_->kill_at && now >= *running_->kill_at) {
    kill_executor(now);
    running_->kill_at.reset();
  }
  if (!running_->interrupted && over_time(now)) {
    running_->timed_out = true;
    press(now);
  }
  return std::nullopt;
}

void IsolatedExecutor::kill_executor(Clock::time_point now) {
  zygote_->kill_executor(generation_);
  if (!executor_ending_) executor_ending_ = now;
}

void IsolatedExecutor::look_at_end(Clock::time_point now) {
  if (!executor_ending_ && running_->passed_on && has_ended(region_->executor_pid)) executor_ending_ = now;
  if (executor_ending_ && now - *executor_ending_ > zygote_patience_) {
    zygote_->kill_zygote();
    executor_ending_ = now;
  }
}

bool IsolatedExecutor::over_time(Clock::time_point now) const {
  return running_->timed_out || (!running_->interrupted && running_->passed_on_at &&
                                 now - *running_->passed_on_at >= clock_duration(running_->task.limits.seconds));
}

void IsolatedExecutor::interrupt() {
  if (!running_ || running_->interrupted) return;
  if (running_->passed_on) {
    press(Clock::now());
  } else {
    running_->interrupted = true;
  }
}

ItemRange IsolatedExecutor::take_back_items(ItemSeekers seekers) {
  if (!running_) return {0, 0};
  ItemRange& items = running_->task.items;
  if (!running_->passed_on) region_->items.begin(items);
  const ItemRange taken = region_->items.take_back(items.first, seekers);
  items.count -= taken.count;
  return taken;
}

void IsolatedExecutor::give_spill_folder(std::shared_ptr<const SpillPlace> place) {
  if (!wants_spill_folder()) return;
  running_->wants_spill_folder = false;
  if (!broken_.empty()) return;
  try {
    channel_->send_spill_place(*place);
    region_->executor_wake.notify();
    spill_place_ = std::move(place);
  } catch (const std::exception& error) {
    give_up_executor(error.what());
  }
}

void IsolatedExecutor::press(Clock::time_point now) {
  running_->interrupted = true;
  running_->kill_at = now + grace_;
  region_->interrupted = running_->number;
  zygote_->interrupt_executor(generation_);
}

std::optional<std::string> IsolatedExecutor::broken() const {
  if (const auto failure = zygote_->failure()) return failure;
  return no_more_executors_;
}

void IsolatedExecutor::forget(ObjectId object) {
  if (shared_.erase(object) != 0 && broken_.empty() && !executor_retired_) channel_->send_forget(object);
}

void IsolatedExecutor::reclaim() {
  if (executor_retired_ && !running_) {
    if (region_->exited_generation.load(std::memory_order_acquire) == generation_) start_executor();
    return;
  }
  if (running_ || !broken_.empty() || region_->to_worker.empty()) return;
  try {
    while (channel_->receive()) {
    }
  } catch (const std::exception& error) {
    give_up_executor(error.what());
  }
}

ExecutedTask IsolatedExecutor::timed_out() {
  const double limit = running_->task.limits.seconds;
  return ended(TaskEnding::timed_out, time_limit_text(limit));
}

ExecutedTask IsolatedExecutor::ended(TaskEnding ending, std::string_view text) {
  ExecutedTask task = ended_task(running_->task.task, ending, text, 0.0);
  region_->memory_limit = 0;
  running_.reset();
  return task;
}

}  // namespace joblib_mpi
