#pragma once

#include "core/ids.hpp"

#include <cstddef>
#include <deque>

namespace joblib_mpi {

/// The tasks of one call that no worker holds, in the order of submission; tasks that run again come before all others.
class ReadyQueue {
 public:
  void push(TaskId task) { tasks_.push_back(task); }
  void push_front(TaskId task) { tasks_.push_front(task); }
  [[nodiscard]] TaskId front() const { return tasks_.front(); }
  [[nodiscard]] TaskId pop() {
    const TaskId task = tasks_.front();
    tasks_.pop_front();
    return task;
  }
  [[nodiscard]] bool empty() const noexcept { return tasks_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }

 private:
  std::deque<TaskId> tasks_;
};

}  // namespace joblib_mpi
