#pragma once

#include "coordinator/coordinator_driver.hpp"
#include "executor/task_port.hpp"
#include "executor/zygote.hpp"
#include "segments/segment_pool.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A session in which a separate thread makes MPI calls, schedules tasks and moves data, so that these continue while
/// the program's threads compute or wait. It is the session of Python.
///
/// On rank 0 the program's threads submit tasks and take results. Where MPI allows it, the thread that asks for results
/// makes the due MPI calls itself, and the session's thread does so while that one is busy: a hand-over to a thread on
/// the same core costs more than everything else that is done for a small task (benchmarks/python/noop_tasks.py). On
/// workers, tasks run in executor processes, or one thread of the program takes them from `task_port()`.
class ThreadedSession {
 public:
  /// Starts the thread, which initialises MPI or joins it. Collective over MPI_COMM_WORLD. `identity` must be equal on
  /// all ranks. `interrupt_task` is called when the running task is cancelled, on workers without executor processes.
  /// With a `zygote`, tasks run in its executor processes; on rank 0 it is ended. Throws MpiError and VersionMismatch,
  /// on every rank.
  ThreadedSession(std::string identity, std::function<void()> interrupt_task, std::unique_ptr<Zygote> zygote);
  ThreadedSession(const ThreadedSession&) = delete;
  ThreadedSession& operator=(const ThreadedSession&) = delete;
  /// Calls `close(1)` on rank 0 unless the session is closed; waits for the session's thread on workers.
  ~ThreadedSession();

  /// Returns the rank of this process.
  [[nodiscard]] int rank() const noexcept;
  /// Returns the processor names, by rank.
  [[nodiscard]] const std::vector<std::string>& hosts() const noexcept;

  // For rank 0, from any thread:
  /// Returns the driver, through which the program starts calls, submits tasks and shares objects. It is closed
  /// together with the session.
  [[nodiscard]] CoordinatorDriver& driver() noexcept;
  /// Lets large results arrive in memory that other processes of this machine can map, and returns that memory. It
  /// exists until the session is closed.
  [[nodiscard]] SegmentPool& share_results() noexcept;
  /// Returns the sink for `CoordinatorDriver::start_call` that collects the results of all calls for `next_results`.
  [[nodiscard]] CompletionSink& results() noexcept;
  /// Returns the results that have arrived. Waits until there are some, `wake` was called, or `seconds` have passed.
  /// Throws the exception that ended the session's thread, if there is one, and UsageError after `close`.
  [[nodiscard]] std::vector<FinishedTask> next_results(double seconds);
  /// Ends the current wait of `next_results`, or the next one.
  void wake();
  /// Makes the workers leave with `status`, waits for them, and finalises MPI if the session has initialised it. If a
  /// worker does not leave in time, the job ends.
  void close(int status);

  // For workers:
  /// Returns the port from which a thread of the program takes tasks; null if tasks run in executor processes.
  [[nodiscard]] TaskPort* task_port() noexcept;
  /// Waits until rank 0 has closed the session, and returns the status that it gave.
  [[nodiscard]] int leave();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace joblib_mpi
