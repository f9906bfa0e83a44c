#include "coordinator/coordinator_driver.hpp"

#include "core/clock_duration.hpp"
#include <joblib_mpi/error.hpp>

#include <new>
#include <thread>
#include <utility>

namespace joblib_mpi {

Coordinator& CoordinatorDriver::coordinator(const char* function) const {
  if (coordinator_ == nullptr) throw UsageError(std::string(function) + " was called after the session had ended");
  return *coordinator_;
}

void CoordinatorDriver::require_memory() {
  if (!reserve_.refill()) throw std::bad_alloc();
}

CallId CoordinatorDriver::start_call(const CallOptions& options, CompletionSink& sink, std::uint64_t owner) {
  const Turn turn(*this);
  Coordinator& coordinator = this->coordinator("start_call");
  require_memory();
  return coordinator.start_call(options, sink, owner);
}

void CoordinatorDriver::submit(CallId call, TaskRequest request) {
  {
    const Turn turn(*this);
    Coordinator& coordinator = this->coordinator("submit");
    require_memory();
    coordinator.submit(call, std::move(request));
  }
  if (wake_for_ == WakeFor::every_task) notify();
}

void CoordinatorDriver::stop_starting(CallId call) {
  {
    const Turn turn(*this);
    if (coordinator_ == nullptr) return;
    coordinator_->stop_starting(call);
  }
  notify();
}

void CoordinatorDriver::end_call(CallId call) {
  {
    const Turn turn(*this);
    if (coordinator_ == nullptr) return;
    coordinator_->end_call(call);
  }
  notify();
}

ObjectId CoordinatorDriver::share(Payload value, ObjectId id) {
  ObjectId object;
  {
    const Turn turn(*this);
    Coordinator& coordinator = this->coordinator("scatter");
    require_memory();
    object = coordinator.share(std::move(value), id);
  }
  notify();
  return object;
}

void CoordinatorDriver::drop(ObjectId object) {
  {
    const Turn turn(*this);
    if (coordinator_ == nullptr) return;
    coordinator_->drop(object);
  }
  notify();
}

ObjectStats CoordinatorDriver::object_stats() {
  const Turn turn(*this);
  return coordinator("object_stats").object_stats();
}

std::size_t CoordinatorDriver::unfinished_tasks() {
  const Turn turn(*this);
  return coordinator("unfinished_tasks").unfinished_tasks();
}

bool CoordinatorDriver::results_fill_memory(CallId call) {
  const Turn turn(*this);
  return coordinator_ != nullptr && coordinator_->results_fill_memory(call);
}

std::vector<FileRefusal> CoordinatorDriver::compare_file(const FileIdentity& file, Clock::duration patience) {
  constexpr std::chrono::microseconds pause{100};  // chosen, not measured: about the time of a few messages
  const auto deadline = Clock::now() + patience;
  const std::uint64_t question = ask_for_file(file);
  while (true) {
    if (auto refusals = file_refusals(question)) return std::move(*refusals);
    if (Clock::now() >= deadline) return close_file_question(question);
    std::this_thread::sleep_for(pause);
  }
}

std::uint64_t CoordinatorDriver::ask_for_file(const FileIdentity& file) {
  std::uint64_t question;
  {
    const Turn turn(*this);
    question = coordinator("compare_file").ask_for_file(file);
  }
  notify();
  return question;
}

std::optional<std::vector<FileRefusal>> CoordinatorDriver::file_refusals(std::uint64_t question) {
  const Turn turn(*this);
  return coordinator("compare_file").file_refusals(question);
}

std::vector<FileRefusal> CoordinatorDriver::close_file_question(std::uint64_t question) {
  const Turn turn(*this);
  return coordinator("compare_file").close_file_question(question);
}

std::uint64_t CoordinatorDriver::room_elsewhere() {
  const Turn turn(*this);
  return coordinator("room_elsewhere").room_elsewhere();
}

std::uint64_t CoordinatorDriver::worker_returns() {
  const Turn turn(*this);
  return coordinator_ == nullptr ? 0 : coordinator_->returns();
}

void CoordinatorDriver::close() noexcept {
  const Turn turn(*this);
  coordinator_ = nullptr;
}

bool CoordinatorDriver::take_turn(Coordinator::Outlook outlook) {
  if (++turns_ % turns_between_checks_ == 0) coordinator_->check_workers(Clock::now());
  return coordinator_->progress(outlook);
}

void CoordinatorDriver::lose(WorkerId worker, std::string reason) {
  const Turn turn(*this);
  if (coordinator_ != nullptr) coordinator_->lose(worker, std::move(reason));
}

bool CoordinatorDriver::drive() {
  const Turn turn(*this);
  return coordinator_ != nullptr && take_turn();
}

void CoordinatorDriver::submit_and_drive(CallId call, TaskRequest request) {
  // Polling for results is a large share of the coordinator's work for a tiny task, so it is not done for each task.
  constexpr unsigned tasks_between_turns = 8;
  const Turn turn(*this);
  Coordinator& coordinator = this->coordinator("submit");
  require_memory();
  coordinator.submit(call, std::move(request));
  if (coordinator_->is_urgent() || ++submitted_ % tasks_between_turns == 0) {
    take_turn(Coordinator::Outlook::more_tasks_soon);
  }
}

bool CoordinatorDriver::wait(ResultInbox& inbox, std::vector<FinishedTask>& results,
                             std::optional<Clock::time_point> deadline) {
  Sleeper sleeper(*this);
  while (true) {
    bool active = false;
    {
      const Turn turn(*this);
      (void)coordinator("wait");
      active = take_turn();
      if (!inbox.tasks_.empty()) {
        std::swap(inbox.tasks_, results);
        return true;
      }
    }
    if (deadline && Clock::now() >= *deadline) return false;
    sleeper.after_turn(active);
  }
}

std::vector<ServingWorker> CoordinatorDriver::stop_workers(const to_worker::Stop& stop, double seconds) {
  const auto deadline = Clock::now() + clock_duration(seconds);
  {
    const Turn turn(*this);
    if (coordinator_ == nullptr) return {};
    coordinator_->stop_workers(stop);
  }
  return drive_until_left(deadline);
}

void CoordinatorDriver::wait_for_workers() {
  (void)drive_until_left(std::nullopt);
}

std::vector<ServingWorker> CoordinatorDriver::drive_until_left(std::optional<Clock::time_point> deadline) {
  Sleeper sleeper(*this);
  while (true) {
    bool active = false;
    std::vector<ServingWorker> serving;
    {
      const Turn turn(*this);
      if (coordinator_ == nullptr) return {};
      active = take_turn();
      serving = coordinator_->serving_workers();
      if (serving.empty() && coordinator_->quiet()) return {};
    }
    if (deadline && Clock::now() >= *deadline) return serving;
    sleeper.after_turn(active);
  }
}

}  // namespace joblib_mpi
