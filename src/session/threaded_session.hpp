#pragma once

#include "coordinator/coordinator.hpp"
#include "executor/handoff_executor.hpp"
#include <joblib_mpi/ids.hpp>
#include <joblib_mpi/payload.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A session with a thread of its own for MPI calls, scheduling and data movement, so that they go on while the
/// program's threads compute or wait: what Python uses.
///
/// On rank 0 the program's threads submit and take results. Where MPI allows it, the one that asks for results makes
/// the calls that are due itself, and the session's thread stands in while it is busy otherwise: a hand-over to a
/// thread on the same core costs more than all else that is done for a small task (benchmarks/python/noop_tasks.py). On
/// the other ranks one thread works off `executor()`.
class ThreadedSession {
 public:
  /// Starts the thread, which initialises MPI or joins it. Collective over MPI_COMM_WORLD. Throws MpiError and
  /// VersionMismatch, then on every rank. `identity` must be the same on all; `interrupt_task` is called on a worker
  /// when the running task is cancelled.
  ThreadedSession(std::string identity, std::function<void()> interrupt_task);
  ThreadedSession(const ThreadedSession&) = delete;
  ThreadedSession& operator=(const ThreadedSession&) = delete;
  /// As `close(1)`, if it is not closed.
  ~ThreadedSession();

  [[nodiscard]] int rank() const noexcept;
  /// Processor names, by rank.
  [[nodiscard]] const std::vector<std::string>& hosts() const noexcept;

  // Rank 0, from any thread. Only `next_results` and `close` wait.
  [[nodiscard]] CallId start_call(const CallOptions& options);
  void submit(CallId call, TaskRequest request);
  void end_call(CallId call);
  [[nodiscard]] ObjectId share(Payload value);
  void drop(ObjectId object);
  /// Waits until there are results, `wake` was called, or `seconds` have passed. Throws what ended the thread, if
  /// anything has.
  [[nodiscard]] std::vector<FinishedTask> next_results(double seconds);
  /// Remembered if nobody waits.
  void wake();
  /// Makes the workers leave with `status` and finalises MPI. If a worker does not leave in time, the job ends.
  void close(int status);

  // The others.
  [[nodiscard]] HandoffExecutor& executor() noexcept;
  /// After the executor was closed: finalises MPI and returns the status that rank 0 gave.
  [[nodiscard]] int leave();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace joblib_mpi
