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

inline HereOutcome run_here(Task& task) {
  const detail::TaskScope scope;
  try {
    return {task.run(), nullptr};
  } catch (...) {
    return {nullptr, std::current_exception()};
  }
}

inline void deliver(HereOutcome outcome, std::size_t index, ResultSink& sink) {
  if (outcome.error) {
    sink.fail(index, std::move(outcome.error));
  } else {
    sink.store(index, std::move(outcome.result));
  }
}

}  // namespace joblib_mpi
