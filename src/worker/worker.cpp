#include "worker/worker.hpp"

#include "protocol/wire_format.hpp"

#include <algorithm>
#include <utility>

namespace joblib_mpi {
namespace {

/// Results of tasks that took less than this together may wait for each other and share a message: it is about what
/// one message costs on a network.
constexpr double most_seconds_held_back = 20e-6;
constexpr std::size_t most_bytes_held_back = 3072;  // so that the frame stays one eager message

}  // namespace

Worker::Worker(Transport& transport, ObjectStore& store, Executor& executor, IdleWaiter& waiter,
               const Settings& settings)
    : transport_(&transport),
      store_(&store),
      executor_(&executor),
      waiter_(&waiter),
      tasks_per_message_(settings.tasks_per_message) {}

to_worker::Stop Worker::serve() {
  while (!stopped()) {
    if (step()) {
      waiter_->reset();
    } else {
      waiter_->wait();
    }
  }
  return *stop_;
}

bool Worker::stopped() const {
  return said_goodbye_ && transport_->quiet();
}

bool Worker::step() {
  bool active = receive();
  store_->progress();
  active |= take_finished_task();
  const bool started = start_next_task();
  active |= started;
  active |= take_finished_task();                              // at once, if the executor ran it on this thread
  if (queue_.empty() || running_ || !started) send_results();  // nothing more will join them soon
  if (stop_ && !running_ && !said_goodbye_) {
    send_results();
    Frame frame;
    append(frame, to_coordinator::Goodbye{});
    transport_->send(0, frame);
    said_goodbye_ = true;
  }
  return active;
}

bool Worker::receive() {
  const std::optional<ArrivedFrame> arrived = transport_->receive();
  if (!arrived) return false;
  for (FrameReader reader(arrived->frame); !reader.at_end();) {
    std::visit([this](auto&& message) { handle(std::forward<decltype(message)>(message)); }, reader.next_to_worker());
  }
  return true;
}

void Worker::handle(to_worker::RunTask&& message) {
  queue_.push_back(std::move(message));
}

void Worker::handle(const to_worker::CancelCall& message) {
  const auto first = std::ranges::stable_partition(queue_, [&](const to_worker::RunTask& task) {
                       return task.call != message.call;
                     }).begin();
  for (auto task = first; task != queue_.end(); ++task) report({task->task, TaskEnding::cancelled, 0.0, {}});
  queue_.erase(first, queue_.end());
  if (running_ && running_->call == message.call) cancel_running();
}

void Worker::cancel_running() {
  if (std::exchange(running_->cancelled, true)) return;
  executor_->interrupt();
}

void Worker::handle(const to_worker::ShareObject& message) {
  store_->expect(message.object, message.part_bytes);
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

bool Worker::start_next_task() {
  if (running_ || queue_.empty()) return false;
  to_worker::RunTask& next = queue_.front();
  ExecutorTask task{next.task, {}, {}, next.limits};
  task.objects.reserve(next.objects.size());
  for (const ObjectId object : next.objects) {
    auto value = store_->find(object);
    if (!value) return false;  // on its way
    task.objects.push_back({object, std::move(value)});
  }
  // Before a task that may take long, what is done already goes out.
  if (results_count_ >= tasks_per_message_ || results_seconds_ > most_seconds_held_back ||
      results_.body.size() > most_bytes_held_back || !results_.parts.empty()) {
    send_results();
  }
  task.arguments = std::move(next.arguments);
  running_ = RunningTask{next.task, next.call, false};
  queue_.pop_front();
  executor_->start(std::move(task));
  return true;
}

bool Worker::take_finished_task() {
  if (!running_) return false;
  std::optional<ExecutedTask> done = executor_->take_finished();
  if (!done) return false;
  const TaskEnding ending = running_->cancelled ? TaskEnding::cancelled : done->ending;
  report({done->task, ending, done->seconds, std::move(done->result)});
  running_.reset();
  return true;
}

void Worker::report(to_coordinator::TaskFinished&& message) {
  if (message.ending == TaskEnding::cancelled) message.result = {};
  results_seconds_ += message.seconds;
  append(results_, std::move(message));
  ++results_count_;
}

void Worker::send_results() {
  if (results_count_ == 0) return;
  transport_->send(0, results_);
  results_count_ = 0;
  results_seconds_ = 0;
}

}  // namespace joblib_mpi
