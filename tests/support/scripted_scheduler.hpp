#pragma once

#include "scheduler/scheduler.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace joblib_mpi::test {

/// A scheduler and the decisions that it has made since the last call.
class ScriptedScheduler {
 public:
  explicit ScriptedScheduler(int workers, SchedulerOptions options = {}) : scheduler_(options) {
    for (int worker = 1; worker <= workers; ++worker) tell(event::WorkerJoined{WorkerId{worker}});
  }

  void tell(const SchedulerEvent& event) {
    SchedulerActions actions;
    scheduler_.handle(event, actions);
    for (const SchedulerAction& action : actions) {
      if (const auto* assign = std::get_if<action::Assign>(&action)) {
        assigned.push_back(assign->task.slot);
        worker_of[assign->task.slot] = assign->worker.value;
        held_[assign->worker.value].push_back(assign->task.slot);
      } else if (const auto* complete = std::get_if<action::Complete>(&action)) {
        completed.push_back(complete->task.slot);
      } else if (const auto* give_up = std::get_if<action::GiveUp>(&action)) {
        given_up.push_back(give_up->task.slot);
      } else if (const auto* discard = std::get_if<action::Discard>(&action)) {
        discarded.push_back(discard->task.slot);
      } else if (const auto* withdraw = std::get_if<action::Withdraw>(&action)) {
        withdrawn.push_back(withdraw->task.slot);
      } else if (const auto* take_back = std::get_if<action::TakeBack>(&action)) {
        asked.push_back(*take_back);
      } else if (std::get<action::CancelCall>(action).running == WhatRuns::goes_on) {
        stopped_at.insert(std::get<action::CancelCall>(action).worker.value);
      } else {
        cancelled_at.insert(std::get<action::CancelCall>(action).worker.value);
      }
    }
  }
  void start(std::uint64_t call, std::size_t max_running = 1000, unsigned retries = 2, std::uint64_t owner = 0) {
    tell(event::CallStarted{CallId{call}, max_running, {retries, false}, owner});
  }
  void submit(std::uint64_t call, std::uint32_t first, std::uint32_t end) {
    for (std::uint32_t slot = first; slot < end; ++slot) tell(event::TaskSubmitted{TaskId{slot, 0}, CallId{call}});
  }
  void submit_to(int worker, std::uint64_t call, std::uint32_t slot) {
    tell(event::TaskSubmitted{TaskId{slot, 0}, CallId{call}, WorkerId{worker}});
  }
  void finish(std::uint32_t slot, double seconds = 1.0, TaskEnding ending = TaskEnding::returned) {
    std::erase(held_[worker_of.at(slot)], slot);
    tell(event::TaskFinished{TaskId{slot, 0}, seconds, ending});
  }
  /// Lets the worker answer a request with the last `tasks` that it holds, which are returned.
  std::vector<std::uint32_t> give_back(int worker, std::size_t tasks) {
    auto& held = held_[worker];
    const std::vector<std::uint32_t> last(held.end() - static_cast<std::ptrdiff_t>(tasks), held.end());
    held.resize(held.size() - tasks);
    std::vector<TaskId> ids;
    for (const std::uint32_t slot : last) ids.push_back(TaskId{slot, 0});
    tell(event::TasksReturned{WorkerId{worker}, ids});
    return last;
  }
  [[nodiscard]] bool waits_for_lull() const { return scheduler_.waits_for_lull(); }
  void fail(std::uint32_t slot, TaskEnding ending) { finish(slot, 1.0, ending); }
  void lose(int worker) {
    held_.erase(worker);
    tell(event::WorkerLost{WorkerId{worker}});
  }
  /// Returns the tasks that the worker holds; the first one is running.
  [[nodiscard]] std::vector<std::uint32_t> tasks_of(int worker) const {
    const auto found = held_.find(worker);
    return found == held_.end() ? std::vector<std::uint32_t>{} : found->second;
  }
  [[nodiscard]] std::size_t held_by(int worker) const { return tasks_of(worker).size(); }
  /// Returns how often the task was assigned.
  [[nodiscard]] std::size_t attempts(std::uint32_t slot) const {
    return static_cast<std::size_t>(std::ranges::count(assigned, slot));
  }
  [[nodiscard]] bool is_done(std::uint32_t slot) const {
    return std::ranges::find(completed, slot) != completed.end() ||
           std::ranges::find(given_up, slot) != given_up.end() || std::ranges::find(discarded, slot) != discarded.end();
  }

  std::vector<std::uint32_t> assigned;
  std::vector<std::uint32_t> completed;
  std::vector<std::uint32_t> given_up;
  std::vector<std::uint32_t> discarded;
  std::vector<std::uint32_t> withdrawn;
  std::vector<action::TakeBack> asked;
  std::set<int> cancelled_at;
  std::set<int> stopped_at;
  std::map<std::uint32_t, int> worker_of;

 private:
  Scheduler scheduler_;
  std::map<int, std::vector<std::uint32_t>> held_;
};

using Slots = std::vector<std::uint32_t>;

}  // namespace joblib_mpi::test
