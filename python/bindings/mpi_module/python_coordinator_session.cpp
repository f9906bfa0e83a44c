#include "mpi_module/python_coordinator_session.hpp"

#include "python_coordinator.hpp"
#include <joblib_mpi/error.hpp>

#include <chrono>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {

CallId PythonCoordinatorSession::start_call(const CallOptions& options) {
  return session_->driver().start_call(options, session_->results());
}

std::vector<FileRefusal> PythonCoordinatorSession::compare_file(const FileIdentity& file) {
  // Longer than rank 0 waits for a silent worker before it gives it up, with the default heartbeat.
  constexpr std::chrono::seconds patience{30};
  return session_->driver().compare_file(file, patience);
}

void PythonCoordinatorSession::listen(const std::string& path, std::string identity, const nb::bytes& description) {
  if (server_ != nullptr) throw UsageError("listen was called twice");
  ClientServer::Options options{.socket = path,
                                .identity = std::move(identity),
                                .hosts = session_->hosts(),
                                .description = std::string(description.c_str(), description.size()),
                                .segments = &session_->share_results()};
  server_.reset(without_gil([&] { return new ClientServer(session_->driver(), std::move(options)); }));
}

void PythonCoordinatorSession::close(int status) {
  server_.reset();
  const WithoutGil release;
  session_->close(status);
}

void bind_coordinator_session(nb::module_& module) {
  auto session = nb::class_<PythonCoordinatorSession>(module, "CoordinatorSession", nb::is_final());
  session.def_prop_ro("rank", &PythonCoordinatorSession::rank);
  bind_coordinator(session);
  session.def("listen", &PythonCoordinatorSession::listen, nb::arg("path"), nb::arg("identity"), nb::arg("description"))
      .def_prop_ro("n_clients", &PythonCoordinatorSession::n_clients)
      .def_prop_ro("n_clients_so_far", &PythonCoordinatorSession::n_clients_so_far)
      .def("close", &PythonCoordinatorSession::close, nb::arg("status"));
}

}  // namespace joblib_mpi
