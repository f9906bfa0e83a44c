#pragma once

#include "python_task_loop.hpp"
#include "session/threaded_session.hpp"
#include "without_gil.hpp"

#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>
#include <optional>
#include <pthread.h>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The thread that runs a worker's tasks. The session's thread interrupts it through this object.
class ServingThread {
 public:
  /// Notes that the calling thread runs tasks from now on.
  void begin() noexcept {
    thread_ = pthread_self();
    serving_ = true;
  }
  /// Notes that this thread runs no more tasks.
  void end() noexcept { serving_ = false; }
  /// Sends SIGINT to the thread if there is one.
  void interrupt() const noexcept;

 private:
  std::atomic<bool> serving_{false};
  pthread_t thread_{};
};

/// Implements `_mpi.WorkerSession`, the session of a worker, in terms of Python objects; _mpi.pyi describes the
/// functions. Every function is called with the GIL and releases it while it waits.
class PythonWorkerSession {
 public:
  /// Takes over the session. `thread` is the one that `session` interrupts.
  PythonWorkerSession(std::unique_ptr<ThreadedSession> session, std::shared_ptr<ServingThread> thread)
      : thread_(std::move(thread)), session_(session.release()) {}

  [[nodiscard]] const std::vector<std::string>& hosts() const noexcept { return session_->hosts(); }
  [[nodiscard]] int rank() const noexcept { return session_->rank(); }
  /// Returns the loop that runs tasks. Throws UsageError before `serve`.
  [[nodiscard]] PythonTaskLoop& loop();

  [[nodiscard]] int serve(const nanobind::callable& run, const nanobind::callable& forget);
  [[nodiscard]] int wait_until_closed();

 private:
  std::shared_ptr<ServingThread> thread_;
  std::optional<PythonTaskLoop> loop_;
  PtrDeletedWithoutGil<ThreadedSession> session_;  // last: its thread uses what is above
};

/// Adds the type `WorkerSession` to the module.
void bind_worker_session(nanobind::module_& module);

}  // namespace joblib_mpi
