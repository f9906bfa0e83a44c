#include "coordinator/coordinator.hpp"

#include "protocol/wire_format.hpp"

#include <utility>

namespace joblib_mpi {
namespace {

constexpr std::size_t most_bytes_per_shared_frame = 3072;  // so that the frame stays one eager message

}  // namespace

Coordinator::Coordinator(Transport& transport, ObjectStore& store, const Settings& settings)
    : transport_(&transport),
      store_(&store),
      tasks_per_message_(settings.tasks_per_message),
      scheduler_({settings.prefetch_seconds, settings.max_credits}),
      lines_(static_cast<std::size_t>(transport.size())) {
  for (int rank = 1; rank < transport.size(); ++rank) tell_scheduler(event::WorkerJoined{WorkerId{rank}});
}

CallId Coordinator::start_call(const CallOptions& options, CompletionSink& sink) {
  const CallId call{++calls_started_};
  calls_.emplace(call, &sink);
  tell_scheduler(event::CallStarted{call, options.max_running});
  return call;
}

void Coordinator::submit(CallId call, TaskRequest request) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;  // another thread has ended it meanwhile
  for (const ObjectId object : request.objects) ++objects_.at(object).users;
  const TaskId task = tasks_.add({found->second, call, std::move(request), {}});
  tell_scheduler(event::TaskSubmitted{task, call});
}

void Coordinator::end_call(CallId call) {
  if (calls_.erase(call) == 0) return;
  tell_scheduler(event::CallEnded{call});
}

ObjectId Coordinator::share(Payload value) {
  const ObjectId object{++objects_shared_};
  objects_.emplace(object, SharedObject{});
  to_worker::ShareObject announcement{object, {value.head.size()}};
  for (const SharedBytes& part : value.parts) announcement.part_bytes.push_back(part.size());
  tell_all(announcement);
  unpublished_.push_back({object, std::move(value)});
  return object;
}

void Coordinator::drop(ObjectId object) {
  SharedObject& state = objects_.at(object);
  state.dropped = true;
  drop_unused(object, state);
}

void Coordinator::drop_unused(ObjectId object, const SharedObject& state) {
  if (!state.dropped || state.users > 0) return;
  tell_all(to_worker::DropObject{object});
  unused_.push_back(object);
  objects_.erase(object);
}

bool Coordinator::progress(Outlook outlook) {
  bool active = flush(outlook);
  if (const std::optional<ArrivedFrame> arrived = transport_->receive()) {
    active = true;
    for (FrameReader reader(arrived->frame); !reader.at_end();) {
      std::visit([&](auto&& message) { handle(WorkerId{arrived->source}, std::forward<decltype(message)>(message)); },
                 reader.next_to_coordinator());
    }
    flush(outlook);
  }
  store_->progress();
  return active;
}

void Coordinator::stop_workers(const to_worker::Stop& stop) {
  tell_all(stop);
  flush(Outlook::nothing_known);
}

std::vector<ServingWorker> Coordinator::serving_workers() const {
  std::vector<ServingWorker> serving;
  for (int rank = 1; rank < transport_->size(); ++rank) {
    if (!line(WorkerId{rank}).serving) continue;
    const TaskTable::Entry* task = tasks_.any_of(WorkerId{rank});
    serving.push_back({WorkerId{rank}, task == nullptr ? "" : task->request.name});
  }
  return serving;
}

void Coordinator::tell_scheduler(const SchedulerEvent& event) {
  actions_.clear();
  scheduler_.handle(event, actions_);
  for (const SchedulerAction& action : actions_) {
    std::visit([this](const auto& concrete) { perform(concrete); }, action);
  }
}

void Coordinator::perform(const action::Assign& action) {
  TaskTable::Entry& entry = tasks_.at(action.task);
  entry.worker = action.worker;
  append(frame_for_task(action.worker),
         to_worker::RunTask{action.task, entry.call, {}, entry.request.objects, std::move(entry.request.arguments)});
  if (!can_wait(line(action.worker))) urgent_ = true;
}

void Coordinator::perform(const action::Complete& action) {
  TaskTable::Entry& entry = tasks_.at(action.task);
  CompletionSink* sink = entry.sink;
  FinishedTask finished{entry.call,
                        entry.request.ticket,
                        finishing_from_,
                        finishing_->ending,
                        1,
                        std::move(entry.request.name),
                        std::move(finishing_->result)};
  remove(action.task);
  sink->finished(std::move(finished));
}

void Coordinator::perform(const action::Discard& action) {
  remove(action.task);
}

void Coordinator::perform(const action::CancelCall& action) {
  tell(action.worker, to_worker::CancelCall{action.call});
}

void Coordinator::remove(TaskId task) {
  for (const ObjectId object : tasks_.at(task).request.objects) {
    SharedObject& state = objects_.at(object);
    --state.users;
    drop_unused(object, state);
  }
  tasks_.remove(task);
}

void Coordinator::handle(WorkerId worker, to_coordinator::TaskFinished&& message) {
  finishing_ = &message;
  finishing_from_ = worker;
  --line(worker).tasks_sent;
  tell_scheduler(event::TaskFinished{message.task, message.seconds});
  finishing_ = nullptr;
}

void Coordinator::handle(WorkerId worker, const to_coordinator::Goodbye&) {
  line(worker).serving = false;
}

Frame& Coordinator::frame_for_task(WorkerId worker) {
  WorkerLine& line = this->line(worker);
  const bool full = line.frames.empty() || line.tasks_in_last >= tasks_per_message_ ||
                    line.frames.back().body.size() > most_bytes_per_shared_frame || !line.frames.back().parts.empty();
  if (full) {
    line.frames.emplace_back();
    line.tasks_in_last = 0;
  }
  ++line.tasks_in_last;
  ++line.tasks_in_frames;
  if (!std::exchange(line.unflushed, true)) unflushed_.push_back(worker);
  return line.frames.back();
}

template <class Message>
void Coordinator::tell(WorkerId worker, Message&& message) {
  WorkerLine& line = this->line(worker);
  if (line.frames.empty()) line.frames.emplace_back();
  if (!std::exchange(line.unflushed, true)) unflushed_.push_back(worker);
  append(line.frames.back(), std::forward<Message>(message));
  urgent_ = true;
}

template <class Message>
void Coordinator::tell_all(const Message& message) {
  for (int rank = 1; rank < transport_->size(); ++rank) tell(WorkerId{rank}, message);
}

bool Coordinator::can_wait(const WorkerLine& line) const {
  return line.frames.size() == 1 && line.tasks_in_last < tasks_per_message_ &&
         line.tasks_sent >= (tasks_per_message_ + 1) / 2;
}

bool Coordinator::flush(Outlook outlook) {
  if (unflushed_.empty() && unpublished_.empty() && unused_.empty()) return false;
  urgent_ = false;
  const bool may_wait = outlook == Outlook::more_tasks_soon && unpublished_.empty();
  std::erase_if(unflushed_, [&](WorkerId worker) {
    WorkerLine& line = this->line(worker);
    if (may_wait && can_wait(line)) return false;
    for (Frame& frame : line.frames) transport_->send(worker.value, frame);
    line.frames.resize(1);  // its memory is used again
    line.tasks_sent += std::exchange(line.tasks_in_frames, 0);
    line.tasks_in_last = 0;
    line.unflushed = false;
    return true;
  });
  // Workers take part in a broadcast once they have heard of it, so the announcements above go first.
  for (Unpublished& object : unpublished_) store_->publish(object.id, std::move(object.value));
  unpublished_.clear();
  for (const ObjectId object : unused_) store_->drop(object);
  unused_.clear();
  return true;
}

}  // namespace joblib_mpi
