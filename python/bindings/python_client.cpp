#include "python_client.hpp"

#include "core/clock_duration.hpp"
#include "python_coordinator.hpp"
#include <joblib_mpi/error.hpp>

#include <chrono>

namespace nb = nanobind;

namespace joblib_mpi {

PythonClient::PythonClient(const std::string& path, const std::string& identity, double patience_seconds) {
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(clock_duration(patience_seconds));
  client_.reset(without_gil([&] { return new Client(path, identity, patience); }));
}

Client& PythonClient::coordinator() const {
  if (client_ == nullptr) throw UsageError("this process was forked from a client of a job, and is none itself");
  return *client_;
}

nb::bytes PythonClient::description() const {
  const std::string& description = coordinator().description();
  return nb::bytes(description.data(), description.size());
}

void PythonClient::close() {
  const WithoutGil release;
  if (client_ != nullptr) client_->close();
}

void PythonClient::leave_to_parent() noexcept {
  // It is not destroyed either: threads that the child does not have may wait for what it has.
  if (client_ != nullptr) client_.release()->leave_to_parent();
}

void bind_client(nb::module_& module) {
  auto client = nb::class_<PythonClient>(module, "Client", nb::is_final());
  client.def(nb::init<const std::string&, const std::string&, double>(), nb::arg("path"), nb::arg("identity"),
             nb::arg("patience"));
  bind_coordinator(client);
  client.def_prop_ro("description", &PythonClient::description)
      .def_prop_ro("is_gone", &PythonClient::is_gone)
      .def("close", &PythonClient::close)
      .def("leave_to_parent", &PythonClient::leave_to_parent);
}

}  // namespace joblib_mpi
