#pragma once

#include <joblib_mpi/ids.hpp>

#include <cstddef>
#include <deque>

namespace joblib_mpi {

/// The tasks of one call that no worker holds yet, first submitted first.
class ReadyQueue {
 public:
  void push(TaskId task) { tasks_.push_back(task); }
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
