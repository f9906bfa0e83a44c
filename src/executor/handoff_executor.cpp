#include "executor/handoff_executor.hpp"

#include "core/clock_duration.hpp"
#include "executor/ended_task.hpp"

#include <cassert>
#include <chrono>
#include <cstdlib>
#include <sched.h>
#include <utility>

namespace joblib_mpi {
namespace {

/// The number of polls for the next task before the thread sleeps. Between them it yields its core, which it may share
/// with the worker that will bring the task. Chosen, not measured.
constexpr int looks_before_sleep = 64;

}  // namespace

using Clock = std::chrono::steady_clock;

HandoffExecutor::HandoffExecutor(WakeFlag& worker, std::function<void()> interrupt_thread)
    : worker_(&worker), interrupt_thread_(std::move(interrupt_thread)) {}

void HandoffExecutor::start(ExecutorTask task) {
  assert(state_.load() == State::empty);
  limit_seconds_ = task.limits.seconds;
  timed_out_ = false;
  time_is_up_.reset();
  if (limit_seconds_ > 0) time_is_up_ = Clock::now() + clock_duration(limit_seconds_);
  first_item_ = task.items.first;
  items_.begin(task.items);
  task_ = std::move(task);
  interrupt_requested_ = false;
  {
    const std::lock_guard lock(mutex_);
    state_ = State::ready;
  }
  wake_.notify_one();
}

std::optional<ExecutedTask> HandoffExecutor::take_finished() {
  const bool finished = state_.load(std::memory_order_acquire) == State::finished;
  if (time_is_up_ && Clock::now() >= *time_is_up_) {
    time_is_up_.reset();
    timed_out_ = true;
    if (!finished) interrupt();
  }
  if (!finished) return std::nullopt;
  state_ = State::empty;
  std::optional<ExecutedTask> done = std::exchange(result_, std::nullopt);
  if (timed_out_) {
    done = ended_task(done->task, TaskEnding::timed_out, time_limit_text(limit_seconds_), done->seconds);
  }
  return done;
}

void HandoffExecutor::interrupt() {
  time_is_up_.reset();
  interrupt_requested_ = true;
  interrupt_thread_();
}

ItemRange HandoffExecutor::take_back_items(ItemSeekers seekers) {
  return items_.take_back(first_item_, seekers);
}

void HandoffExecutor::forget(ObjectId object) {
  {
    const std::lock_guard lock(mutex_);
    forgotten_.push_back(object);
  }
  wake_.notify_one();
}

void HandoffExecutor::close() {
  {
    const std::lock_guard lock(mutex_);
    state_ = State::closed;
  }
  wake_.notify_one();
}

TaskPort::Work HandoffExecutor::next_task() {
  process_.end_children(EXIT_SUCCESS);
  const auto has_work = [this] {
    const State state = state_.load(std::memory_order_acquire);
    return state == State::ready || state == State::closed;
  };
  for (int look = 0; look < looks_before_sleep && !has_work(); ++look) sched_yield();
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return has_work() || !forgotten_.empty(); });
  Work work{.forgotten = std::exchange(forgotten_, {}), .closed = state_.load() == State::closed};
  if (state_.load() != State::ready) return work;
  state_ = State::running;
  work.task = std::exchange(task_, std::nullopt);
  limits_ = work.task->limits;
  place_ = work.task->place;
  return work;
}

void HandoffExecutor::give_spill_folder(std::shared_ptr<const SpillPlace> place) {
  {
    const std::lock_guard lock(mutex_);
    if (!wants_spill_folder_) return;
    place_.spill = std::move(place);
    wants_spill_folder_ = false;
  }
  wake_.notify_one();
}

void HandoffExecutor::wait_for_spill_folder() {
  std::unique_lock lock(mutex_);
  wants_spill_folder_ = true;
  worker_->notify();
  wake_.wait(lock, [this] { return !wants_spill_folder_ || state_.load() == State::closed; });
  wants_spill_folder_ = false;
}

void HandoffExecutor::finish(ExecutedTask task) {
  process_.end_children(task.ending == TaskEnding::returned ? EXIT_SUCCESS : EXIT_FAILURE);
  if (large_results_.wants_folder(task, limits_, place_)) wait_for_spill_folder();
  large_results_.spill_if_due(task, limits_, place_, [&task]() -> const ResultNotes& { return task.notes; });
  result_ = std::move(task);
  State running = State::running;
  state_.compare_exchange_strong(running, State::finished);  // fails if the executor was closed in between
  worker_->notify();
}

}  // namespace joblib_mpi
