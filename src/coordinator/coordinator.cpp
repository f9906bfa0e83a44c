#include "coordinator/coordinator.hpp"

#include "protocol/wire_format.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <set>
#include <span>
#include <utility>

namespace joblib_mpi {
namespace {

/// Returns `seconds` as text without trailing zeros, such as "2.5".
std::string in_words(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", seconds);
  return text;
}

}  // namespace

Coordinator::Coordinator(Transport& transport, ObjectStore& store, const Settings& settings)
    : transport_(&transport),
      store_(&store),
      scheduler_({.prefetch_seconds = settings.prefetch_seconds, .max_credits = settings.max_credits}),
      outbox_(transport, settings.tasks_per_message),
      objects_(store, outbox_),
      results_(outbox_, transport.size()),
      roster_(transport.size()),
      heartbeat_(settings, transport.size() - 1),
      quiet_(std::chrono::duration<double>(seconds_of_a_message)) {
  outbox_.tell_all(to_worker::Begin{});
  for (int rank = 1; rank < transport.size(); ++rank) tell_scheduler(event::WorkerJoined{WorkerId{rank}});
}

CallId Coordinator::start_call(const CallOptions& options, CompletionSink& sink, std::uint64_t owner) {
  const CallId call{++calls_started_};
  results_.start_call(call, options.spill);
  calls_.emplace(call, Call{&sink, {options.task_timeout_seconds, options.memory_limit_bytes}});
  tell_scheduler(event::CallStarted{
      call, static_cast<std::size_t>(options.n_jobs), {options.retries, options.retry_exceptions}, owner});
  return call;
}

void Coordinator::submit(CallId call, TaskRequest request) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return;  // another thread has ended the call in between
  const auto& [sink, limits] = found->second;
  request.arguments.share_long_head();
  for (const ObjectId object : request.objects) objects_.use(object);
  const TaskId task = tasks_.add({sink,
                                  std::move(request.name),
                                  {TaskId{},
                                   call,
                                   limits,
                                   std::move(request.objects),
                                   std::move(request.arguments),
                                   request.index,
                                   {0, request.items}},
                                  request.only_on.value_or(WorkerId{})});
  tell_scheduler(event::TaskSubmitted{task, call, request.only_on, request.items});
}

void Coordinator::stop_starting(CallId call) {
  if (calls_.contains(call)) tell_scheduler(event::CallStopped{call});
}

void Coordinator::end_call(CallId call) {
  if (calls_.erase(call) == 0) return;
  results_.end_call(call);
  tell_scheduler(event::CallEnded{call});
}

std::uint64_t Coordinator::ask_for_file(const FileIdentity& file) {
  std::set<WorkerId> asked;
  for (const WorkerId worker : roster_.serving()) {
    if (!roster_.is_retired(worker)) asked.insert(worker);
  }
  const std::uint64_t question = file_questions_.ask(asked);
  for (const WorkerId worker : asked) outbox_.tell(worker, to_worker::CompareFile{question, file});
  return question;
}

std::uint64_t Coordinator::room_elsewhere() const {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const auto& [worker, bytes] : room_) least = std::min(least, bytes);
  return least;
}

bool Coordinator::progress(Outlook outlook) {
  bool active = flush(outlook);
  const std::vector<int> found_dead = transport_->take_lost_ranks();
  for (const int rank : found_dead) lose(WorkerId{rank}, "was found dead by MPI");
  if (take_arrived() || !found_dead.empty()) {
    active = true;
    flush(outlook);
  }
  active |= hear_of_pieces();
  active |= store_->progress();
  return notice_lull(active) || active;
}

bool Coordinator::notice_lull(bool active) {
  const bool waits = !active && scheduler_.waits_for_lull();
  if (!quiet_.is_lull(waits, waits ? QuietClock::Clock::now() : QuietClock::Clock::time_point())) return false;
  tell_scheduler(event::Lull{});
  return flush(Outlook::nothing_known);
}

bool Coordinator::hear_of_pieces() {
  const std::vector<int> heard = transport_->take_heard_ranks();
  for (const int rank : heard) {
    if (roster_.is_present(WorkerId{rank})) heartbeat_.heard_from(WorkerId{rank});
  }
  return !heard.empty();
}

bool Coordinator::take_arrived() {
  const std::optional<ArrivedFrame> arrived = transport_->receive();
  if (!arrived) return false;
  const WorkerId worker{arrived->source};
  if (roster_.is_present(worker)) heartbeat_.heard_from(worker);
  for (FrameReader reader(arrived->frame); !reader.at_end();) {
    MessageToCoordinator message = reader.next_to_coordinator();
    if (roster_.is_present(worker)) {
      std::visit([&](auto&& concrete) { handle(worker, std::forward<decltype(concrete)>(concrete)); },
                 std::move(message));
    } else {
      handle_late(worker, message);
    }
  }
  if (roster_.standing(worker) == WorkerRoster::Standing::given_up) call_back(worker);
  for (const StuckTask& stuck : std::exchange(stuck_, {})) {
    const TaskTable::Entry* entry = tasks_.find_held(stuck.task, stuck.worker);
    if (entry == nullptr) continue;
    timed_out_ = stuck.task;
    give_up(stuck.worker, "a task ran longer than its time limit of " + in_words(entry->message.limits.seconds) +
                              " s and cannot be interrupted in the rank's own process");
    timed_out_.reset();
  }
  for (BrokenWorker& broken : std::exchange(broken_, {})) retire(broken.worker, std::move(broken.reason));
  return true;
}

void Coordinator::check_workers(Heartbeat::TimePoint now) {
  if (heartbeat_.anyone_overdue(now)) {
    while (take_arrived()) {  // the answer may have arrived already
    }
    hear_of_pieces();
  }
  const auto [to_ask, overdue] = heartbeat_.look(now);
  for (const WorkerId worker : to_ask) outbox_.tell(worker, to_worker::Ping{asks_always_});
  for (const auto& [worker, silent_for, started] : overdue) {
    if (started && is_at_work_ && is_at_work_(worker)) {
      heartbeat_.excuse(worker);
      continue;
    }
    give_up(worker, (started ? "did not answer for " : "did not begin to serve within ") + in_words(silent_for) + " s");
  }
  flush(Outlook::nothing_known);
}

void Coordinator::lose(WorkerId worker, std::string reason) {
  const WorkerRoster::Standing before = roster_.lose(worker);
  if (before == WorkerRoster::Standing::gone) return;
  transport_->give_up(worker.value);
  if (before == WorkerRoster::Standing::present) part_with(worker, std::move(reason));
}

void Coordinator::give_up(WorkerId worker, std::string reason) {
  if (roster_.give_up(worker)) part_with(worker, std::move(reason));
}

void Coordinator::part_with(WorkerId worker, std::string reason) {
  heartbeat_.forget(worker);
  outbox_.give_up(worker);
  results_.forget(worker);
  file_questions_.forget(worker);
  room_.erase(worker);
  objects_.end_broadcasts();
  note_loss({worker, std::move(reason), tasks_.count_of(worker)});
}

void Coordinator::note_loss(LostWorker lost) {
  const WorkerId worker = lost.worker;
  roster_.note(std::move(lost));
  tell_scheduler(event::WorkerLost{worker});
  roster_.tell_of_loss();
}

void Coordinator::handle_late(WorkerId worker, const MessageToCoordinator& message) {
  if (const auto* finished = std::get_if<to_coordinator::TaskFinished>(&message)) {
    TaskResults::discard(*finished);
  } else if (const auto* hello = std::get_if<to_coordinator::Hello>(&message)) {
    if (roster_.take_back(worker, hello->epoch)) welcome_back(worker, *hello);
  }
}

void Coordinator::call_back(WorkerId worker) {
  Frame frame;
  append(frame, to_worker::Rejoin{roster_.call_back(worker)});
  transport_->send(worker.value, frame);
}

void Coordinator::welcome_back(WorkerId worker, const to_coordinator::Hello& message) {
  outbox_.take_back(worker);
  heartbeat_.watch_again(worker);
  handle(worker, message);
  objects_.bring_up_to_date(worker, message.objects);
  roster_.tell_of_return(worker);
  if (!roster_.is_retired(worker)) tell_scheduler(event::WorkerJoined{worker, message.answers_during_tasks});
}

void Coordinator::retire(WorkerId worker, std::string reason) {
  roster_.retire(worker);
  file_questions_.forget(worker);
  outbox_.forget_tasks(worker);
  heartbeat_.set_busy(worker, false);
  note_loss({worker, std::move(reason), tasks_.count_of(worker), false});
}

void Coordinator::stop_workers(to_worker::Stop stop) {
  stop.ranks_lost = !roster_.all_present();
  outbox_.tell_all(stop);
  flush(Outlook::nothing_known);
  for (const WorkerId worker : roster_.stop_waiting()) {
    if (transport_->tells_of_dead_ranks()) {  // it may be alive, and would otherwise end the job for the loss of rank 0
      Frame frame;
      append(frame, stop);
      transport_->send(worker.value, frame);
    }
    transport_->give_up(worker.value);
  }
}

std::vector<ServingWorker> Coordinator::serving_workers() const {
  std::vector<ServingWorker> serving;
  for (const WorkerId worker : roster_.serving()) {
    const TaskTable::Entry* task = tasks_.any_of(worker);
    serving.push_back({worker, std::string(task == nullptr ? std::string_view() : task->name.view())});
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
  entry.held = true;
  ++entry.attempts;
  results_.prepare(action.worker, entry.message);
  outbox_.add_task(action.worker, entry.message);
}

void Coordinator::perform(const action::Complete& action) {
  complete(tasks_.at(action.task), finishing_->ending, std::move(finishing_->result));
}

void Coordinator::perform(const action::GiveUp& action) {
  TaskTable::Entry& entry = tasks_.at(action.task);
  if (entry.held && entry.worker == roster_.lost().back().worker) roster_.runs_no_more();
  Payload result;
  const std::string how = how_lost(entry);
  PayloadWriter(result).write_bytes(how.data(), how.size());
  complete(entry, timed_out_ == action.task ? TaskEnding::timed_out : TaskEnding::lost, std::move(result));
}

std::string Coordinator::how_lost(const TaskTable::Entry& entry) const {
  if (entry.attempts == 0 && entry.worker != WorkerId{}) {  // no other worker may run it
    const auto& lost = roster_.lost();
    const auto loss = std::find_if(lost.rbegin(), lost.rend(), [&](auto& one) { return one.worker == entry.worker; });
    return loss == lost.rend() ? "there is no such worker" : "the rank was lost (" + loss->reason + ")";
  }
  const LostWorker& last = roster_.lost().back();
  if (scheduler_.workers() > 0 || timed_out_ == entry.message.task) return "the rank was lost (" + last.reason + ")";
  return "no worker is left; the last one, rank " + std::to_string(last.worker.value) + ", was lost (" + last.reason +
         ")";
}

void Coordinator::complete(TaskTable::Entry& entry, TaskEnding ending, Payload result) {
  CompletionSink* sink = entry.sink;
  if (memory_is_short_ && memory_is_short_()) {
    const std::string text =
        "rank 0 has no memory left to take its result of " + std::to_string(result.size_bytes()) + " bytes and go on";
    ending = TaskEnding::no_room;
    result = {std::as_bytes(std::span(text)), {}};
  }
  FinishedTask finished{entry.message.call, entry.message.index,   entry.worker,      ending,
                        entry.attempts,     std::move(entry.name), std::move(result), entry.message.items};
  remove(entry.message.task);
  sink->finished(std::move(finished));
}

void Coordinator::perform(const action::Withdraw& action) {
  complete(tasks_.at(action.task), TaskEnding::cancelled, {});
}

void Coordinator::perform(const action::Discard& action) {
  remove(action.task);
}

void Coordinator::perform(const action::CancelCall& action) {
  outbox_.tell(action.worker, to_worker::CancelCall{action.call, action.running});
}

void Coordinator::perform(const action::TakeBack& action) {
  outbox_.tell(action.worker, to_worker::TakeBack{action.call, action.most, action.seekers});
}

void Coordinator::remove(TaskId task) {
  for (const ObjectId object : tasks_.at(task).message.objects) objects_.release(object);
  tasks_.remove(task);
}

void Coordinator::handle(WorkerId worker, const to_coordinator::Hello& message) {
  heartbeat_.has_started(worker, message.answers_during_tasks);
  if (message.answers_during_tasks) tell_scheduler(event::WorkerGivesBack{worker});
  // This makes the worker begin to watch the coordinator.
  if (asks_always_) outbox_.tell(worker, to_worker::Ping{asks_always_});
}

void Coordinator::handle(WorkerId worker, to_coordinator::TaskFinished&& message) {
  TaskTable::Entry* entry = tasks_.find_held(message.task, worker);
  if (entry == nullptr) {
    TaskResults::discard(message);
    return;
  }
  entry->held = false;
  results_.receive(message, entry->message, [&] { return !calls_.contains(entry->message.call); });
  finishing_ = &message;
  outbox_.task_came_back(worker);
  if (outbox_.tasks_sent(worker) == 0) heartbeat_.set_busy(worker, false);
  tell_scheduler(event::TaskFinished{message.task, message.seconds, message.ending});
  finishing_ = nullptr;
}

void Coordinator::handle(WorkerId worker, const to_coordinator::ObjectsMissing& message) {
  objects_.send(worker, message.objects);
}

void Coordinator::handle(WorkerId worker, const to_coordinator::Stuck& message) {
  stuck_.push_back({worker, message.task});
}

void Coordinator::handle(WorkerId worker, to_coordinator::Broken&& message) {
  broken_.push_back({worker, std::move(message.reason)});
}

void Coordinator::handle(WorkerId worker, const to_coordinator::Goodbye&) {
  roster_.leave(worker);
}

void Coordinator::handle(WorkerId worker, to_coordinator::FileCompared&& message) {
  file_questions_.answer(message.question, worker, std::move(message.reason));
}

void Coordinator::handle(WorkerId worker, const to_coordinator::SpillFolderWanted& message) {
  results_.make_folder(worker, message.call);
}

void Coordinator::handle(WorkerId worker, const to_coordinator::RoomLeft& message) {
  room_[worker] = message.bytes;
}

void Coordinator::handle(WorkerId worker, to_coordinator::Returned&& message) {
  std::erase_if(message.tasks, [&](TaskId task) {
    TaskTable::Entry* entry = tasks_.find_held(task, worker);
    if (entry == nullptr) return true;
    entry->held = false;
    if (--entry->attempts == 0) entry->worker = {};
    outbox_.task_came_back(worker);
    return false;
  });
  if (outbox_.tasks_sent(worker) == 0) heartbeat_.set_busy(worker, false);
  std::optional<event::BatchDivided> divided;
  if (const auto& given = message.items; given && tasks_.find_held(given->batch, worker) != nullptr)
    divided = divide(*given);
  tell_scheduler(event::TasksReturned{worker, std::move(message.tasks), std::move(divided)});
}

event::BatchDivided Coordinator::divide(const to_coordinator::GivenItems& given) {
  event::BatchDivided divided{given.batch, 0, {}};
  for (const TaskId part : tasks_.divide(given.batch, given.items, given.workers)) {
    const to_worker::RunTask& message = tasks_.at(part).message;
    for (const ObjectId object : message.objects) objects_.use(object);
    divided.parts.push_back({part, message.items.count});
  }
  divided.items_left = tasks_.at(given.batch).message.items.count;
  return divided;
}

bool Coordinator::flush(Outlook outlook) {
  if (outbox_.empty() && objects_.is_up_to_date()) return false;
  outbox_.flush(outlook == Outlook::more_tasks_soon && !objects_.has_new(),
                [this](WorkerId worker) { heartbeat_.set_busy(worker, true); });
  if (!objects_.is_up_to_date()) objects_.update_store();
  return true;
}

}  // namespace joblib_mpi
