#include "mpi_module/python_session.hpp"

#include "mpi_module/python_coordinator_session.hpp"
#include "mpi_module/python_worker_session.hpp"
#include "python_zygote.hpp"
#include "without_gil.hpp"

#include <nanobind/stl/string.h>

#include <memory>
#include <string>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// Starts the session and returns a CoordinatorSession or a WorkerSession. Takes over the process of `zygote` if one is
/// given; a worker's tasks then run in its executor processes.
nb::object start_session(std::string identity, PythonZygote* zygote) {
  const auto thread = std::make_shared<ServingThread>();
  std::unique_ptr<Zygote> process(zygote == nullptr ? nullptr : zygote->zygote.release());
  std::unique_ptr<ThreadedSession> session;
  {
    const WithoutGil release;
    session = std::make_unique<ThreadedSession>(
        std::move(identity), [thread] { thread->interrupt(); }, std::move(process));
  }
  if (session->rank() == 0) return nb::cast(PythonCoordinatorSession(std::move(session)));
  return nb::cast(PythonWorkerSession(std::move(session), thread));
}

}  // namespace

void bind_session(nb::module_& module) {
  bind_coordinator_session(module);
  bind_worker_session(module);
  module.def("start_session", &start_session, nb::arg("identity"), nb::arg("zygote") = nb::none());
}

}  // namespace joblib_mpi
