#include "executor/executor_port.hpp"

#include "executor/ended_task.hpp"
#include <joblib_mpi/error.hpp>

#include <chrono>
#include <cstdlib>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <utility>

namespace joblib_mpi {
namespace {

/// The time for which a port polls for its next task before it sleeps. While it polls it yields its core, which it may
/// share with the worker. Chosen among 20 to 100 µs, which made no difference to a round trip on one core or two.
constexpr std::chrono::microseconds longest_look{50};

/// The channel of this process's port, which its children must not have.
std::atomic<MessageChannel*> channel_of_process{nullptr};

void close_socket_in_child() {
  if (MessageChannel* channel = channel_of_process) channel->close_socket();
}

}  // namespace

ExecutorPort::ExecutorPort(SharedRegion& region, std::uint32_t generation, Descriptor socket)
    : region_(&region),
      generation_(generation),
      channel_(pool_, {region.to_worker, region.to_executor, region.page.wake_flag}, std::move(socket),
               MessageChannel::WhenFull::wait) {
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, close_socket_in_child);
  channel_of_process = &channel_;
}

ExecutorPort::~ExecutorPort() {
  channel_of_process = nullptr;
}

TaskPort::Work ExecutorPort::next_task() {
  process_.end_children(EXIT_SUCCESS);
  Work work{.closed = closed_};
  if (closed_) return work;
  channel_.send_returned();
  if (region_->ready_generation.load(std::memory_order_relaxed) != generation_) {
    region_->ready_generation = generation_;
    region_->page.wake_flag.notify();
  }
  for (; !later_.empty(); later_.pop_front()) handle(std::move(later_.front()), work);
  while (!closed_ && !work.task) {
    if (auto message = channel_.receive()) {
      handle(std::move(*message), work);
    } else if (!work.forgotten.empty()) {
      break;
    } else {
      wait_for_message();
    }
  }
  work.closed = closed_;
  return work;
}

void ExecutorPort::handle(ExecutorMessage message, Work& work) {
  using namespace executor_message;
  if (auto* run = std::get_if<RunTask>(&message)) {
    work.task = ExecutorTask{run->task, std::move(run->arguments), {}};
    for (const ObjectId object : run->objects) work.task->objects.push_back({object, objects_.at(object)});
    region_->taken = run->number;
    running_ = run->number;
    limits_ = run->limits;
    place_.call = run->call;
    place_.index = run->index;
  } else if (auto* place = std::get_if<SpillInto>(&message)) {
    place_.spill = std::move(place->place);
  } else if (auto* share = std::get_if<ShareObject>(&message)) {
    objects_[share->object] = std::move(share->value);
  } else if (const auto* forget = std::get_if<ForgetObject>(&message)) {
    objects_.erase(forget->object);
    work.forgotten.push_back(forget->object);
  } else {
    closed_ = true;
  }
}

void ExecutorPort::wait_for_message() {
  const auto end = std::chrono::steady_clock::now() + longest_look;
  while (region_->to_executor.empty()) {
    if (std::chrono::steady_clock::now() < end) {
      sched_yield();
    } else {
      region_->executor_wake.wait_for(std::chrono::hours(1));
    }
  }
}

void ExecutorPort::wait_for_spill_folder() {
  channel_.send_spill_folder_wanted();
  for (bool waits = true; waits;) {
    std::optional<ExecutorMessage> message = channel_.receive();
    if (!message) {
      wait_for_message();
    } else if (auto* place = std::get_if<executor_message::SpillInto>(&*message)) {
      place_.spill = std::move(place->place);
      waits = false;
    } else {
      later_.push_back(std::move(*message));
    }
  }
}

void ExecutorPort::finish(ExecutedTask task) {
  process_.end_children(task.ending == TaskEnding::returned ? EXIT_SUCCESS : EXIT_FAILURE);
  if (large_results_.wants_folder(task, limits_, place_)) wait_for_spill_folder();
  large_results_.spill_if_due(task, limits_, place_, [&task]() -> const ResultNotes& { return task.notes; });
  running_ = 0;
  task.result.share_long_head();
  try {
    channel_.send_done(task);
  } catch (const SerializationError&) {  // the connection with the rank is broken
    throw;
  } catch (const std::exception& error) {
    const std::string needed = std::to_string(task.result.size_bytes());
    channel_.send_done(ended_task(task.task, TaskEnding::no_room,
                                  "its executor has no room for its result of " + needed + " bytes: " + error.what(),
                                  task.seconds));
  }
}

bool ExecutorPort::interrupt_requested() const noexcept {
  const std::uint64_t running = running_.load();
  return running != 0 && process_.is_here() && region_->interrupted.load() == running;
}

}  // namespace joblib_mpi
