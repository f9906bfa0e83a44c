#include "server/served_client.hpp"

#include "client/client_format.hpp"
#include "client/object_owner.hpp"
#include "segments/memory_room.hpp"
#include "segments/payload_block.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <new>
#include <span>
#include <string>
#include <utility>

namespace joblib_mpi {
namespace {

// Longer than rank 0 waits for a silent worker before it gives it up, with the default heartbeat.
constexpr std::chrono::seconds file_patience{30};

FinishedTask without_memory(CallId call, const TaskRequest& task) {
  constexpr std::string_view why = "rank 0 has no memory left for the task";
  return {call,           task.index, {}, TaskEnding::no_room, 0, task.name, {std::as_bytes(std::span(why)), {}},
          {0, task.items}};
}

}  // namespace

ServedClient::~ServedClient() {
  for (const auto& [number, call] : calls_) driver_->end_call(call->call);
  for (const ObjectId object : objects_) driver_->drop(object);
}

void ServedClient::Call::finished(FinishedTask task) {
  task.call = number_;
  {
    const std::lock_guard lock(client_->mutex_);
    client_->finished_.push_back(std::move(task));
  }
  client_->event_->notify();
}

void ServedClient::take(const Frame& frame) {
  ClientFrameReader reader(frame);
  while (!reader.at_end() && !has_left_) {
    std::visit([this](auto&& message) { handle(std::move(message)); }, reader.next_to_rank0());
  }
  driver_->notify();  // once for all that the frame asks for
}

to_client::CallStarted ServedClient::start(const to_rank0::StartCall& message) {
  to_client::CallStarted started{message.call};
  try {
    auto call = std::make_unique<Call>(*this, message.call);
    call->call = driver_->start_call(message.options, *call, number_);
    calls_.insert_or_assign(message.call, std::move(call));
  } catch (const SpillError& error) {
    started.refusal = CallRefusal::spill;
    started.reason = error.what();
  } catch (const std::bad_alloc&) {
    started.refusal = CallRefusal::memory;
  }
  return started;
}

void ServedClient::handle(to_rank0::StartCall&& message) {
  if (calls_.contains(message.call)) throw SerializationError("a client has started one call twice");
  append(outgoing_, start(message));
}

void ServedClient::handle(to_rank0::SubmitTask&& message) {
  if (!calls_.contains(message.call)) return;  // it has ended
  if (must_wait() || !waiting_.empty()) {
    waiting_.emplace_back(std::move(message));
  } else {
    submit(std::move(message));
  }
}

void ServedClient::submit(to_rank0::SubmitTask&& message) {
  const auto found = calls_.find(message.call);
  if (found == calls_.end()) return;
  const auto is_here = [this](ObjectId object) { return objects_.contains(object); };
  if (!std::all_of(message.task.objects.begin(), message.task.objects.end(), is_here)) {
    throw SerializationError("a client's task needs an object that does not exist");
  }
  const TaskRequest named{message.task.index, message.task.name, {}, {}, {}, message.task.items};
  try {
    driver_->submit(found->second->call, std::move(message.task));
  } catch (const std::bad_alloc&) {
    append(outgoing_, to_client::TaskFinished{without_memory(message.call, named)});
  }
}

void ServedClient::handle(const to_rank0::StopStarting& message) {
  const auto found = calls_.find(message.call);
  if (found == calls_.end()) return;
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    const auto* const task = std::get_if<to_rank0::SubmitTask>(&waiting);
    if (task == nullptr || task->call != message.call) return false;
    FinishedTask cancelled{message.call, task->task.index,     {}, TaskEnding::cancelled, 0, task->task.name,
                           {},           {0, task->task.items}};
    append(outgoing_, to_client::TaskFinished{std::move(cancelled)});
    return true;
  });
  driver_->stop_starting(found->second->call);
}

void ServedClient::handle(const to_rank0::EndCall& message) {
  const auto found = calls_.find(message.call);
  if (found == calls_.end()) return;
  driver_->end_call(found->second->call);
  calls_.erase(found);
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    const auto* const task = std::get_if<to_rank0::SubmitTask>(&waiting);
    return task != nullptr && task->call == message.call;
  });
  const std::lock_guard lock(mutex_);
  std::erase_if(finished_, [&](const FinishedTask& task) { return task.call == message.call; });
}

void ServedClient::handle(to_rank0::ShareObject&& message) {
  share(message.object, std::move(message.value));
}

void ServedClient::handle(to_rank0::ShareBlock&& message) {
  share(message.object, payload_in(message.block.owner(), message.block.view(), message.part_bytes));
}

void ServedClient::share(ObjectId object, Payload value) {
  if (objects_.contains(object)) throw SerializationError("a client has shared one object twice");
  if (owner_of(object) != number_) throw SerializationError("a client has named an object as another does");
  objects_.insert(driver_->share(std::move(value), object));
}

void ServedClient::handle(const to_rank0::DropObject& message) {
  if (waiting_.empty()) {
    drop(message);
  } else {
    waiting_.emplace_back(message);  // tasks that wait may need it
  }
}

void ServedClient::drop(const to_rank0::DropObject& message) {
  if (objects_.erase(message.object) > 0) driver_->drop(message.object);
}

std::vector<std::uint64_t> ServedClient::fact(const to_rank0::Ask& message) {
  switch (message.fact) {
    case Fact::object_stats: {
      const ObjectStats stats = driver_->object_stats();
      return {stats.objects,  stats.object_bytes,  stats.transfers,
              stats.segments, stats.segment_bytes, stats.spare_bytes};
    }
    case Fact::unfinished_tasks:
      return {driver_->unfinished_tasks() + waiting_.size()};
    case Fact::results_fill_memory: {
      const auto found = calls_.find(message.call);
      return {found != calls_.end() && driver_->results_fill_memory(found->second->call) ? 1U : 0U};
    }
    case Fact::room_elsewhere:
      // Rank 0's node counts as well: a client need not run there.
      return {std::min<std::uint64_t>(driver_->room_elsewhere(), memory_room().bytes)};
    case Fact::worker_returns:
      return {driver_->worker_returns()};
  }
  return {};
}

void ServedClient::handle(const to_rank0::Ask& message) {
  append(outgoing_, to_client::Answer{message.question, fact(message)});
}

void ServedClient::handle(to_rank0::CompareFile&& message) {
  file_questions_.push_back({message.question, driver_->ask_for_file(message.file), Clock::now() + file_patience});
}

void ServedClient::go_on(Clock::time_point now) {
  const bool may_submit = !waiting_.empty() && !must_wait();
  while (!waiting_.empty() && !must_wait()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (auto* const task = std::get_if<to_rank0::SubmitTask>(&next)) {
      submit(std::move(*task));
    } else {
      drop(std::get<to_rank0::DropObject>(next));
    }
  }
  if (may_submit) driver_->notify();
  send_finished();
  answer_file_questions(now);
  if (!outgoing_.empty()) link_.send(std::exchange(outgoing_, {}));
}

void ServedClient::send_finished() {
  std::vector<FinishedTask> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (FinishedTask& task : finished) append(outgoing_, to_client::TaskFinished{std::move(task)});
}

void ServedClient::answer_file_questions(Clock::time_point now) {
  std::erase_if(file_questions_, [&](const FileQuestion& question) {
    auto refusals = driver_->file_refusals(question.of_workers);
    if (!refusals && now >= question.deadline) refusals = driver_->close_file_question(question.of_workers);
    if (refusals) append(outgoing_, to_client::FileRefusals{question.of_client, std::move(*refusals)});
    return refusals.has_value();
  });
}

void ServedClient::end_session(std::string reason) {
  append(outgoing_, to_client::SessionEnded{std::move(reason)});
  link_.send(std::exchange(outgoing_, {}));
}

}  // namespace joblib_mpi
