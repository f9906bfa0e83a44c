#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <exception>
#include <memory>

namespace joblib_mpi {

/// What became of a task in this process: one of the two is set, or neither for a void function.
struct HereOutcome {
  std::shared_ptr<void> result;
  std::exception_ptr error;
};

/// Runs the task, and again if it raises, as often as `request` allows and its arguments bear.
inline HereOutcome run_here(Task& task, const CallRequest& request) {
  const detail::TaskScope scope;
  const unsigned attempts = request.retry_exceptions && task.can_run_again() ? 1 + request.retries : 1;
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
