#include "mpi_module/python_worker_session.hpp"

#include "python_coordinator.hpp"
#include "without_gil.hpp"
#include <joblib_mpi/error.hpp>

#include <csignal>

namespace nb = nanobind;

namespace joblib_mpi {

void ServingThread::interrupt() const noexcept {
  if (serving_) pthread_kill(thread_, SIGINT);
}

PythonTaskLoop& PythonWorkerSession::loop() {
  if (!loop_) throw UsageError("this function may be called only by a running task, and no task has run on this rank");
  return *loop_;
}

int PythonWorkerSession::serve(const nb::callable& run, const nb::callable& forget) {
  TaskPort* const port = session_->task_port();
  if (port == nullptr)
    throw UsageError(
        "serve was called on a rank whose tasks run in executor processes; call wait_until_closed instead");
  loop_.emplace(*port);
  thread_->begin();
  loop_->serve(run, forget);
  thread_->end();
  return wait_until_closed();
}

int PythonWorkerSession::wait_until_closed() {
  const WithoutGil release;
  return session_->leave();
}

void bind_worker_session(nb::module_& module) {
  auto session = nb::class_<PythonWorkerSession>(module, "WorkerSession", nb::is_final());
  session.def_prop_ro("rank", &PythonWorkerSession::rank);
  bind_hosts(session);
  bind_running_task(session);
  session.def("serve", &PythonWorkerSession::serve, nb::arg("run"), nb::arg("forget"))
      .def("wait_until_closed", &PythonWorkerSession::wait_until_closed);
}

}  // namespace joblib_mpi
