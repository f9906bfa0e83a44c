#include "scheduler/scheduler.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

using namespace joblib_mpi;

namespace {

/// A cluster that does what the scheduler decides and refuses what it must never decide. Everything that happens comes
/// from the seed: joins, calls, submissions, finishes in any order among workers, ends of calls.
class SimulatedCluster {
 public:
  SimulatedCluster(unsigned seed, std::size_t workers, std::size_t tasks)
      : random_(seed), workers_to_join_(workers), tasks_to_submit_(tasks) {}

  void run() {
    while (happens_next()) {
    }
    for (const auto& [id, call] : calls_) {
      expect(call.ready.empty(), "a task was never assigned");
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
    bool ended = false;
  };
  struct Call {
    std::size_t max_running;
    std::deque<std::uint32_t> ready;
    std::map<int, std::size_t> holders;
    std::size_t submitted = 0;
    std::size_t done = 0;
    bool ended = false;
    double task_seconds;
  };

  static void expect(bool holds, const std::string& otherwise) {
    if (!holds) throw std::logic_error(otherwise);
  }
  std::size_t below(std::size_t end) { return random_() % end; }

  /// One random event; false once nothing can happen any more.
  bool happens_next() {
    const std::size_t choice = below(100);
    if (workers_joined_ < workers_to_join_ && choice < 30) {
      busy_.emplace_back();
      tell(event::WorkerJoined{WorkerId{static_cast<int>(++workers_joined_)}});
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
      Call call{below(3) == 0 ? 1 + below(20) : 1'000'000, {}, {}, 0, 0, false, below(2) == 0 ? 1e-6 : 0.1};
      open_.push_back(id);
      tell(event::CallStarted{CallId{id}, calls_.emplace(id, std::move(call)).first->second.max_running});
    }
    const std::uint64_t id = open_[below(open_.size())];
    for (std::size_t count = std::min(tasks_to_submit_, 1 + below(20)); count > 0; --count) {
      const auto slot = static_cast<std::uint32_t>(submitted_++);
      --tasks_to_submit_;
      tasks_[slot] = {id};
      calls_.at(id).ready.push_back(slot);
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

  /// The oldest task of a random busy worker ends.
  void finish() {
    const std::size_t index = below(working_.size());
    const int worker = working_[index];
    auto& queue = busy_[static_cast<std::size_t>(worker - 1)];
    const std::uint32_t slot = queue.front();
    queue.pop_front();
    if (queue.empty()) {
      working_[index] = working_.back();
      working_.pop_back();
    }
    Call& call = calls_.at(tasks_.at(slot).call);
    if (--call.holders.at(worker) == 0) call.holders.erase(worker);
    finishing_ = slot;
    tell(event::TaskFinished{TaskId{slot, 0}, call.task_seconds});
    expect(tasks_.at(slot).ended, "a finished task was neither completed nor discarded");
  }

  void tell(const SchedulerEvent& event) {
    SchedulerActions actions;
    scheduler_.handle(event, actions);
    for (const SchedulerAction& action : actions) {
      std::visit([this](const auto& concrete) { perform(concrete); }, action);
    }
  }

  void perform(const action::Assign& action) {
    Task& task = tasks_.at(action.task.slot);
    Call& call = calls_.at(task.call);
    expect(!call.ended, "a task of an ended call was assigned");
    expect(!call.ready.empty() && call.ready.front() == action.task.slot, "a task was assigned twice or out of order");
    call.ready.pop_front();
    task.worker = action.worker.value;
    ++call.holders[task.worker];
    expect(call.holders.size() <= call.max_running, "a call has tasks on more workers than it may use");
    auto& queue = busy_.at(static_cast<std::size_t>(task.worker - 1));
    if (queue.empty()) working_.push_back(task.worker);
    queue.push_back(action.task.slot);
    expect(queue.size() <= SchedulerOptions{}.max_credits, "a worker holds more tasks than it has credits");
  }
  void perform(const action::Complete& action) {
    expect(action.task.slot == finishing_, "a task was completed that did not finish");
    expect(!calls_.at(tasks_.at(action.task.slot).call).ended, "a task of an ended call was completed");
    ++calls_.at(tasks_.at(action.task.slot).call).done;
    end(action.task.slot);
  }
  void perform(const action::Discard& action) {
    Call& call = calls_.at(tasks_.at(action.task.slot).call);
    expect(call.ended, "a task of a running call was discarded");
    if (const auto place = std::ranges::find(call.ready, action.task.slot); place != call.ready.end()) {
      call.ready.erase(place);
    } else {
      expect(action.task.slot == finishing_, "a running task was discarded before it finished");
    }
    end(action.task.slot);
  }
  void perform(const action::CancelCall& action) {
    expect(calls_.at(action.call.value).holders.contains(action.worker.value), "a worker without tasks was told");
    cancelled_.insert(action.worker.value);
  }
  void end(std::uint32_t slot) { expect(!std::exchange(tasks_.at(slot).ended, true), "a task ended twice"); }

  std::mt19937 random_;
  Scheduler scheduler_;
  std::size_t workers_to_join_;
  std::size_t workers_joined_ = 0;
  std::size_t tasks_to_submit_;
  std::size_t submitted_ = 0;
  std::uint64_t calls_started_ = 0;
  std::map<std::uint32_t, Task> tasks_;
  std::map<std::uint64_t, Call> calls_;
  std::vector<std::uint64_t> open_;
  std::vector<std::deque<std::uint32_t>> busy_;  // tasks by worker, the running one first
  std::vector<int> working_;                     // workers that hold any
  std::set<int> cancelled_;
  std::uint32_t finishing_ = ~0U;
};

void run(unsigned seed, std::size_t workers, std::size_t tasks) {
  INFO("seed " << seed << ", " << workers << " workers, " << tasks << " tasks");
  SimulatedCluster cluster(seed, workers, tasks);
  CHECK_NOTHROW(cluster.run());
  CHECK(cluster.submitted() == tasks);
}

}  // namespace

TEST_CASE("whatever happens on a few workers each task is assigned once and ends once") {
  for (unsigned seed = 1; seed <= 40; ++seed) run(seed, 1 + seed % 7, 500);
}

TEST_CASE("whatever happens on thousands of workers each task is assigned once and ends once") {
  for (const unsigned seed : {101U, 102U, 103U}) run(seed, 3000, 20'000);
}
