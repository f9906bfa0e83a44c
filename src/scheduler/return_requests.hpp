#pragma once

#include "core/ids.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The requests to workers for tasks that they hold ahead, and which workers answer these while a task runs.
class ReturnRequests {
 public:
  void add(WorkerId worker, bool gives_back) {
    if (workers_.size() <= index(worker)) workers_.resize(index(worker) + 1);
    at(worker) = {};
    ++silent_;
    if (gives_back) can_give_back(worker);
  }
  void remove(WorkerId worker) {
    answered(worker);
    if (!at(worker).gives_back) --silent_;
    at(worker) = {};
  }
  void can_give_back(WorkerId worker) {
    if (!std::exchange(at(worker).gives_back, true)) --silent_;
  }
  void ask(WorkerId worker, std::size_t tasks) {
    at(worker).asked_for = tasks;
    expected_ += tasks;
  }
  void answered(WorkerId worker) { expected_ -= std::exchange(at(worker).asked_for, 0); }

  /// Returns whether the worker answers, and has answered the last request.
  [[nodiscard]] bool may_ask(WorkerId worker) const {
    return workers_[index(worker)].gives_back && workers_[index(worker)].asked_for == 0;
  }
  /// Returns whether all workers answer.
  [[nodiscard]] bool all_give_back() const noexcept { return silent_ == 0; }
  /// Returns the number of tasks that were asked for and may come back.
  [[nodiscard]] std::size_t expected() const noexcept { return expected_; }

 private:
  struct Worker {
    bool gives_back = false;
    std::size_t asked_for = 0;
  };

  static std::size_t index(WorkerId worker) { return static_cast<std::size_t>(worker.value); }
  Worker& at(WorkerId worker) { return workers_[index(worker)]; }

  std::vector<Worker> workers_;  // by worker id
  std::size_t silent_ = 0;       // the number of workers that do not answer
  std::size_t expected_ = 0;
};

}  // namespace joblib_mpi
