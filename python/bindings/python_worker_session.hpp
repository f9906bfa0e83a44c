#pragma once

#include "python_task_loop.hpp"
#include "session/threaded_session.hpp"

#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>
#include <optional>
#include <pthread.h>
#include <utility>

namespace joblib_mpi {

/// The thread that runs a worker's tasks, for the session's thread to interrupt.
class ServingThread {
 public:
  /// The calling thread runs tasks from now on.
  void begin() noexcept {
    thread_ = pthread_self();
    serving_ = true;
  }
  void end() noexcept { serving_ = false; }
  /// Sends SIGINT to it, if there is one.
  void interrupt() const noexcept;

 private:
  std::atomic<bool> serving_{false};
  pthread_t thread_{};
};

/// `_core.WorkerSession`, a worker's part in the job, in terms of Python's objects: see _core.pyi. Every function is
/// called with the GIL and releases it while it waits.
class PythonWorkerSession {
 public:
  /// `thread` is the one that `session` interrupts.
  PythonWorkerSession(std::unique_ptr<ThreadedSession> session, std::shared_ptr<ServingThread> thread)
      : thread_(std::move(thread)), session_(std::move(session)) {}

  [[nodiscard]] const ThreadedSession& session() const noexcept { return *session_; }
  /// Throws UsageError before `serve`.
  [[nodiscard]] PythonTaskLoop& loop();

  [[nodiscard]] int serve(const nanobind::callable& run, const nanobind::callable& forget);
  [[nodiscard]] int wait_until_closed();

 private:
  std::shared_ptr<ServingThread> thread_;
  std::optional<PythonTaskLoop> loop_;
  std::unique_ptr<ThreadedSession> session_;  // last: its thread uses what is above
};

void bind_worker_session(nanobind::module_& module);

}  // namespace joblib_mpi
