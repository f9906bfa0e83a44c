#include "python_client.hpp"

#include "core/clock_duration.hpp"
#include "python_coordinator.hpp"
#include <joblib_mpi/error.hpp>

#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>

#include <chrono>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {

namespace {

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_duration(seconds));
}

}  // namespace

PythonClient::PythonClient(const std::variant<int, std::string>& path, const std::string& identity,
                           double patience_seconds, double resume_seconds) {
  const Client::Options options{
      .identity = identity, .patience = milliseconds_of(patience_seconds), .resume_seconds = resume_seconds};
  client_.reset(without_gil([&] {
    const int* const descriptor = std::get_if<int>(&path);
    return descriptor != nullptr ? new Client(Descriptor(*descriptor), options)
                                 : new Client(std::get<std::string>(path), options);
  }));
}

Client& PythonClient::coordinator() const {
  if (client_ == nullptr) throw UsageError("this process was forked from a client of a job, and is none itself");
  return *client_;
}

nb::bytes PythonClient::description() const {
  const std::string& description = coordinator().description();
  return nb::bytes(description.data(), description.size());
}

bool PythonClient::wait_until_cut(double seconds) const {
  return without_gil([&, client = &coordinator()] { return client->wait_until_cut(seconds); });
}

void PythonClient::resume(int descriptor, double patience_seconds) const {
  Descriptor connection(descriptor);
  Client& client = coordinator();
  const WithoutGil release;
  client.resume(std::move(connection), milliseconds_of(patience_seconds));
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
  client.def(nb::init<const std::variant<int, std::string>&, const std::string&, double, double>(), nb::arg("path"),
             nb::arg("identity"), nb::arg("patience"), nb::arg("resume") = 0.0);
  bind_coordinator(client);
  client.def_prop_ro("description", &PythonClient::description)
      .def_prop_ro("is_gone", &PythonClient::is_gone)
      .def("wait_until_cut", &PythonClient::wait_until_cut, nb::arg("seconds"))
      .def("resume", &PythonClient::resume, nb::arg("descriptor"), nb::arg("patience"))
      .def("give_up", &PythonClient::give_up, nb::arg("why"))
      .def("close", &PythonClient::close)
      .def("leave_to_parent", &PythonClient::leave_to_parent);
}

}  // namespace joblib_mpi
