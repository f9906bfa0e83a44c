#pragma once

#include "core/ids.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>

namespace joblib_mpi {

/// The tasks of one call that no worker holds, in the order of submission; tasks that run again come before all others.
class ReadyQueue {
 public:
  void push(TaskId task) { tasks_.push_back(task); }
  void push_front(TaskId task) { tasks_.push_front(task); }
  /// Adds a task before the first one for which `comes_later` returns true.
  template <class Predicate>
  void push_before(TaskId task, Predicate comes_later) {
    tasks_.insert(std::ranges::find_if(tasks_, comes_later), task);
  }
  [[nodiscard]] TaskId front() const { return tasks_.front(); }
  [[nodiscard]] TaskId pop() {
    const TaskId task = tasks_.front();
    tasks_.pop_front();
    return task;
  }
  /// Takes the first task for which `matches` returns true out of the queue.
  template <class Predicate>
  [[nodiscard]] std::optional<TaskId> pop_first(Predicate matches) {
    const auto found = std::ranges::find_if(tasks_, matches);
    if (found == tasks_.end()) return std::nullopt;
    const TaskId task = *found;
    tasks_.erase(found);
    return task;
  }
  [[nodiscard]] bool empty() const noexcept { return tasks_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }

 private:
  std::deque<TaskId> tasks_;
};

}  // namespace joblib_mpi
