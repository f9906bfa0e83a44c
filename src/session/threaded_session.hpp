#pragma once

#include "coordinator/coordinator_driver.hpp"
#include "executor/task_port.hpp"
#include "executor/zygote.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A session in which a separate thread makes MPI calls, schedules and moves data, so that these go on while the
/// program's threads compute or wait: the session of Python.
///
/// On rank 0 the program's threads submit and take results. Where MPI allows it, the one that asks for results makes
/// the calls that are due itself, and the session's thread stands in while it is busy otherwise: a hand-over to a
/// thread on the same core costs more than all else that is done for a small task (benchmarks/python/noop_tasks.py). On
/// workers tasks run in executor processes, or one thread of the program works off `task_port()`.
class ThreadedSession {
 public:
  /// Starts the thread, which initialises MPI or joins it. Collective over MPI_COMM_WORLD. Throws MpiError and
  /// VersionMismatch, then on every rank. `identity` must be the same on all; `interrupt_task` is called on a worker
  /// without executor processes when the running task is cancelled. With a `zygote`, which is ended on rank 0, tasks
  /// run in its executors.
  ThreadedSession(std::string identity, std::function<void()> interrupt_task, std::unique_ptr<Zygote> zygote);
  ThreadedSession(const ThreadedSession&) = delete;
  ThreadedSession& operator=(const ThreadedSession&) = delete;
  /// As `close(1)`, if it is not closed.
  ~ThreadedSession();

  [[nodiscard]] int rank() const noexcept;
  /// Processor names, by rank.
  [[nodiscard]] const std::vector<std::string>& hosts() const noexcept;

  // Rank 0, from any thread.
  /// The way to start calls, submit tasks and share objects. It is closed when the session is.
  [[nodiscard]] CoordinatorDriver& driver() noexcept;
  /// Where the tasks of all calls come back, for `CoordinatorDriver::start_call`.
  [[nodiscard]] CompletionSink& results() noexcept;
  /// Waits until there are results, `wake` was called, or `seconds` have passed. Throws the exception that ended the
  /// session's thread, if one has.
  [[nodiscard]] std::vector<FinishedTask> next_results(double seconds);
  /// Ends a wait of `next_results`, or the next one.
  void wake();
  /// Makes the workers leave with `status`, waits for them, and finalises MPI. If a worker does not leave in time, the
  /// job ends.
  void close(int status);

  // Workers.
  /// Where a thread of the program takes its tasks; null if they run in executor processes.
  [[nodiscard]] TaskPort* task_port() noexcept;
  /// Waits until rank 0 has closed the session; returns the status that it gave.
  [[nodiscard]] int leave();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace joblib_mpi
