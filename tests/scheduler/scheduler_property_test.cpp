#include "scheduler/scheduler.hpp"
#include "support/catch.hpp"
#include "support/rounds.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

using namespace joblib_mpi;
using joblib_mpi::test::rounds;

namespace {

/// A cluster that carries out the decisions of the scheduler and refuses those that must never be made. The seed
/// determines all events: joins and losses of workers, calls, submissions, ends of tasks in any way and in any order
/// among workers, and ends of calls.
class SimulatedCluster {
 public:
  struct Options {
    unsigned seed;
    std::size_t workers;
    std::size_t tasks;
    std::size_t losses = 0;
  };
  explicit SimulatedCluster(const Options& options)
      : random_(options.seed),
        workers_to_join_(options.workers),
        workers_to_lose_(options.losses),
        tasks_to_submit_(options.tasks) {}

  void run() {
    while (happens_next()) {
    }
    for (const auto& [id, call] : calls_) {
      expect(call.fresh.empty() && call.again.empty(), "a task was never assigned");
      expect(call.ended || call.done == call.submitted, "a task was never completed");
      expect(call.holders.empty(), "a worker still holds a task");
    }
    expect(tasks_.size() == submitted_, "tasks were lost");
    for (const auto& [slot, task] : tasks_) expect(task.ended, "a task neither completed nor was discarded");
  }

  [[nodiscard]] std::size_t submitted() const { return submitted_; }

 private:
  struct Task {
    std::uint64_t call;
    int worker = 0;
    unsigned attempts = 0;
    bool suspect = false;
    bool ended = false;
  };
  struct Call {
    std::size_t max_running;
    unsigned retries;
    bool retry_exceptions;
    double task_seconds;
    std::deque<std::uint32_t> fresh = {};
    std::set<std::uint32_t> again = {};
    std::map<int, std::size_t> holders = {};
    std::size_t submitted = 0;
    std::size_t done = 0;
    bool ended = false;
  };

  static void expect(bool holds, const std::string& otherwise) {
    if (!holds) throw std::logic_error(otherwise);
  }
  std::size_t below(std::size_t end) { return random_() % end; }

  /// Causes one random event; returns false once no event is possible.
  bool happens_next() {
    const std::size_t choice = below(100);
    if (workers_joined_ < workers_to_join_ && choice < 30) {
      held_.emplace_back();
      alive_.push_back(static_cast<int>(++workers_joined_));
      asked_.emplace_back();
      const bool gives_back = below(4) > 0;
      tell(event::WorkerJoined{WorkerId{alive_.back()}, gives_back && below(2) > 0});
      if (gives_back) tell(event::WorkerGivesBack{WorkerId{alive_.back()}});
      return true;
    }
    if (choice > 90 && !alive_.empty() && answer(alive_[below(alive_.size())])) return true;
    if (choice == 90 && scheduler_.waits_for_lull()) {
      tell(event::Lull{});
      return true;
    }
    if (workers_to_lose_ > 0 && !alive_.empty() && below(40) == 0) {
      lose();
      return true;
    }
    if (tasks_to_submit_ > 0 && choice < 70) {
      submit();
      return true;
    }
    if (choice < 71 && !open_.empty()) {
      end_call();
      return true;
    }
    if (!working_.empty()) {
      finish();
      return true;
    }
    return workers_joined_ < workers_to_join_ || tasks_to_submit_ > 0;
  }

  void submit() {
    if (open_.empty() || (open_.size() < 6 && below(500) == 0)) {
      const std::uint64_t id = ++calls_started_;
      const Call& call = calls_
                             .emplace(id, Call{.max_running = below(3) == 0 ? 1 + below(20) : 1'000'000,
                                               .retries = static_cast<unsigned>(below(4)),
                                               .retry_exceptions = below(2) == 0,
                                               .task_seconds = below(2) == 0 ? 1e-6 : 0.1})
                             .first->second;
      open_.push_back(id);
      tell(event::CallStarted{CallId{id}, call.max_running, {call.retries, call.retry_exceptions}});
    }
    const std::uint64_t id = open_[below(open_.size())];
    for (std::size_t count = std::min(tasks_to_submit_, 1 + below(20)); count > 0; --count) {
      const auto slot = static_cast<std::uint32_t>(submitted_++);
      --tasks_to_submit_;
      tasks_[slot] = {id};
      calls_.at(id).fresh.push_back(slot);
      ++calls_.at(id).submitted;
      tell(event::TaskSubmitted{TaskId{slot, 0}, CallId{id}});
    }
  }

  void end_call() {
    const std::size_t index = below(open_.size());
    const std::uint64_t id = open_[index];
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
    calls_.at(id).ended = true;
    cancelled_.clear();
    tell(event::CallEnded{CallId{id}});
    for (const auto& [worker, count] : calls_.at(id).holders) {
      expect(cancelled_.contains(worker), "a worker that holds tasks of an ended call was not told");
    }
  }

  /// Lets the worker answer if it was asked for tasks; returns false otherwise.
  bool answer(int worker) {
    std::optional<action::TakeBack>& asked = asked_.at(static_cast<std::size_t>(worker - 1));
    if (!asked) return false;
    auto& queue = held_by(worker);
    std::vector<TaskId> returned;
    for (std::size_t index = queue.size(); index > 1 && returned.size() < asked->most; --index) {
      const std::uint32_t slot = queue[index - 1];
      if (tasks_.at(slot).call != asked->call.value) continue;
      queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(index - 1));
      returned.insert(returned.begin(), TaskId{slot, 0});
    }
    asked.reset();
    for (const TaskId id : returned) {
      Call& call = release(id.slot);
      Task& task = tasks_.at(id.slot);
      returned_.insert(id.slot);
      if (--task.attempts > 0) {
        if (!call.ended) call.again.insert(id.slot);
      } else {
        call.fresh.insert(std::ranges::lower_bound(call.fresh, id.slot), id.slot);
      }
    }
    tell(event::TasksReturned{WorkerId{worker}, returned});
    returned_.clear();
    for (const TaskId id : returned) {
      expect(tasks_.at(id.slot).ended == calls_.at(tasks_.at(id.slot).call).ended, "a returned task was lost");
    }
    return true;
  }

  /// Ends the oldest task of a random busy worker.
  void finish() {
    const int worker = working_[below(working_.size())];
    auto& queue = held_by(worker);
    const std::uint32_t slot = queue.front();
    queue.pop_front();
    if (queue.empty()) std::erase(working_, worker);
    Call& call = release(slot);
    const Task& task = tasks_.at(slot);
    const TaskEnding ending = below(5) > 0   ? TaskEnding::returned
                              : below(2) > 0 ? TaskEnding::raised
                              : below(2) > 0 ? TaskEnding::lost
                                             : TaskEnding::timed_out;
    const bool failed = ending == TaskEnding::lost || ending == TaskEnding::timed_out ||
                        (ending == TaskEnding::raised && call.retry_exceptions);
    const bool again = failed && !call.ended && task.attempts <= call.retries;
    if (again) call.again.insert(slot);
    finishing_ = slot;
    tell(event::TaskFinished{TaskId{slot, 0}, call.task_seconds, ending});
    expect(task.ended || again, "a finished task was neither completed nor discarded");
  }

  void lose() {
    --workers_to_lose_;
    const int worker = alive_[below(alive_.size())];
    std::erase(alive_, worker);
    std::erase(working_, worker);
    const auto lost = std::exchange(held_by(worker), {});
    asked_.at(static_cast<std::size_t>(worker - 1)).reset();
    for (const std::uint32_t slot : lost) {
      Call& call = release(slot);
      Task& task = tasks_.at(slot);
      lost_.insert(slot);
      task.suspect = true;
      if (!call.ended && task.attempts <= call.retries) call.again.insert(slot);
    }
    tell(event::WorkerLost{WorkerId{worker}});
    for (const std::uint32_t slot : lost) {
      const Call& call = calls_.at(tasks_.at(slot).call);
      expect(tasks_.at(slot).ended || tasks_.at(slot).attempts <= call.retries + 1, "a task had too many attempts");
      expect(tasks_.at(slot).ended || !call.ended, "a lost task of an ended call was kept");
    }
    lost_.clear();
  }

  Call& release(std::uint32_t slot) {
    const Task& task = tasks_.at(slot);
    Call& call = calls_.at(task.call);
    if (--call.holders.at(task.worker) == 0) call.holders.erase(task.worker);
    return call;
  }

  void tell(const SchedulerEvent& event) {
    SchedulerActions actions;
    scheduler_.handle(event, actions);
    for (const SchedulerAction& action : actions) {
      std::visit([this](const auto& concrete) { perform(concrete); }, action);
    }
  }

  void perform(const action::Assign& action) {
    const std::uint32_t slot = action.task.slot;
    Task& task = tasks_.at(slot);
    Call& call = calls_.at(task.call);
    expect(!call.ended, "a task of an ended call was assigned");
    if (task.attempts > 0) {
      expect(call.again.erase(slot) == 1, "a task was assigned twice");
    } else {
      expect(!call.fresh.empty() && call.fresh.front() == slot, "a task was assigned out of order");
      expect(call.again.empty(), "a new task went before one that runs again");
      call.fresh.pop_front();
    }
    expect(++task.attempts <= call.retries + 1, "a task had too many attempts");
    task.worker = action.worker.value;
    expect(std::ranges::find(alive_, task.worker) != alive_.end(), "a task was assigned to a lost worker");
    ++call.holders[task.worker];
    expect(call.holders.size() <= call.max_running, "a call has tasks on more workers than it may use");
    auto& queue = held_by(task.worker);
    if (queue.empty()) {
      working_.push_back(task.worker);
    } else {
      expect(!task.suspect && !tasks_.at(queue.front()).suspect, "a suspect shares a worker");
      expect(call.retries > 0, "a task that is never retried was held ahead");
    }
    queue.push_back(slot);
    expect(queue.size() <= SchedulerOptions{}.max_credits, "a worker holds more tasks than it has credits");
  }
  void perform(const action::Complete& action) {
    Call& call = calls_.at(tasks_.at(action.task.slot).call);
    expect(action.task.slot == finishing_, "a task was completed that did not finish");
    expect(!call.ended, "a task of an ended call was completed");
    expect(!call.again.contains(action.task.slot), "a task was completed that has attempts left");
    ++call.done;
    end(action.task.slot);
  }
  void perform(const action::GiveUp& action) {
    Task& task = tasks_.at(action.task.slot);
    Call& call = calls_.at(task.call);
    expect(!call.ended, "a task of an ended call was given up");
    if (alive_.empty()) {
      expect(workers_joined_ > 0, "a task was given up before there was any worker");
      call.again.erase(action.task.slot);
      std::erase(call.fresh, action.task.slot);
    } else {
      expect(lost_.contains(action.task.slot) && !call.again.contains(action.task.slot),
             "a task was given up that has attempts left");
    }
    ++call.done;
    end(action.task.slot);
  }
  void perform(const action::Discard& action) {
    const std::uint32_t slot = action.task.slot;
    Call& call = calls_.at(tasks_.at(slot).call);
    expect(call.ended, "a task of a running call was discarded");
    if (const auto place = std::ranges::find(call.fresh, slot); place != call.fresh.end()) {
      call.fresh.erase(place);
    } else if (call.again.erase(slot) == 0) {
      expect(slot == finishing_ || lost_.contains(slot) || returned_.contains(slot),
             "a running task was discarded before it finished");
    }
    end(slot);
  }
  void perform(const action::TakeBack& action) {
    expect(std::ranges::find(alive_, action.worker.value) != alive_.end(), "a lost worker was asked for tasks");
    std::optional<action::TakeBack>& asked = asked_.at(static_cast<std::size_t>(action.worker.value - 1));
    expect(!asked, "a worker was asked twice");
    expect(held_by(action.worker.value).size() > 1, "a worker was asked that holds nothing ahead");
    asked = action;
  }
  void perform(const action::Withdraw&) { expect(false, "a task was withdrawn from a call that was not stopped"); }
  void perform(const action::CancelCall& action) {
    expect(calls_.at(action.call.value).holders.contains(action.worker.value), "a worker without tasks was told");
    cancelled_.insert(action.worker.value);
  }
  void end(std::uint32_t slot) { expect(!std::exchange(tasks_.at(slot).ended, true), "a task ended twice"); }

  std::deque<std::uint32_t>& held_by(int worker) { return held_.at(static_cast<std::size_t>(worker - 1)); }

  std::mt19937 random_;
  Scheduler scheduler_;
  std::size_t workers_to_join_;
  std::size_t workers_to_lose_;
  std::size_t workers_joined_ = 0;
  std::size_t tasks_to_submit_;
  std::size_t submitted_ = 0;
  std::uint64_t calls_started_ = 0;
  std::map<std::uint32_t, Task> tasks_;
  std::map<std::uint64_t, Call> calls_;
  std::vector<std::uint64_t> open_;
  std::vector<std::deque<std::uint32_t>> held_;         // tasks by worker, the running one first
  std::vector<std::optional<action::TakeBack>> asked_;  // by worker, until it answers
  std::vector<int> alive_;
  std::vector<int> working_;  // workers that hold tasks
  std::set<int> cancelled_;
  std::uint32_t finishing_ = ~0U;
  std::set<std::uint32_t> returned_;  // tasks that are being given back
  std::set<std::uint32_t> lost_;      // tasks of the worker that is being lost
};

void run(const SimulatedCluster::Options& options) {
  INFO("seed " << options.seed << ", " << options.workers << " workers, " << options.losses << " losses, "
               << options.tasks << " tasks");
  SimulatedCluster cluster(options);
  CHECK_NOTHROW(cluster.run());
  CHECK(cluster.submitted() == options.tasks);
}

}  // namespace

TEST_CASE("under random events on a few workers each task has its attempts and ends once") {
  for (unsigned seed = 1; seed <= 40 * rounds(); ++seed) run({.seed = seed, .workers = 1 + seed % 7, .tasks = 500});
}

TEST_CASE("under random events on thousands of workers each task has its attempts and ends once") {
  for (unsigned seed = 101; seed < 101 + 3 * rounds(); ++seed) run({.seed = seed, .workers = 3000, .tasks = 20'000});
}

TEST_CASE("whichever workers are lost each task has its attempts, ends once and no suspect shares a worker") {
  for (unsigned seed = 1; seed <= 200 * rounds(); ++seed) {
    run({.seed = seed, .workers = 2 + seed % 12, .tasks = 400, .losses = seed % 12});
  }
}

TEST_CASE("when all workers are lost, once or again and again, each task ends once") {
  for (unsigned seed = 1; seed <= 100 * rounds(); ++seed) {
    run({.seed = seed, .workers = 1 + seed % 5, .tasks = 300, .losses = 1 + seed % 5});
  }
}
