#pragma once

#include "core/task_scope.hpp"
#include <joblib_mpi/backend.hpp>

#include <exception>
#include <memory>

namespace joblib_mpi {

/// The result or the error of a task in this process; both are null after a void function.
struct HereOutcome {
  std::shared_ptr<void> result;
  std::exception_ptr error;
};

/// Runs the task, and runs it again if it throws, as often as `options` and `Task::can_run_again` allow.
inline HereOutcome run_here(Task& task, const CallOptions& options) {
  const TaskScope scope;
  const unsigned attempts = options.retry_exceptions && task.can_run_again() ? 1 + options.retries : 1;
  HereOutcome outcome;
  for (unsigned attempt = 0; attempt < attempts; ++attempt) {
    try {
      return {task.run(), nullptr};
    } catch (...) {
      outcome.error = std::current_exception();
    }
  }
  return outcome;
}

inline void deliver(HereOutcome outcome, std::size_t index, ResultSink& sink) {
  if (outcome.error) {
    sink.fail(index, std::move(outcome.error));
  } else {
    sink.store(index, std::move(outcome.result));
  }
}

}  // namespace joblib_mpi
