#include "mpi_module/python_coordinator_session.hpp"

#include "files/file_comparison.hpp"
#include "mpi_module/python_job.hpp"
#include "python_finished_task.hpp"
#include "python_payload.hpp"
#include "without_gil.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <chrono>
#include <optional>
#include <vector>

namespace nb = nanobind;

namespace joblib_mpi {

std::uint64_t PythonCoordinatorSession::start_call(const CallOptions& options) {
  const WithoutGil release;
  return session_->driver().start_call(options, session_->results()).value;
}

void PythonCoordinatorSession::submit(std::uint64_t call, std::uint64_t index, std::string name, const nb::bytes& head,
                                      nb::handle buffers, nb::handle objects) {
  TaskRequest request{index, std::move(name), payload_from(head, buffers), {}};
  for (const nb::handle object : objects) request.objects.push_back(ObjectId{nb::cast<std::uint64_t>(object)});
  const WithoutGil release;
  session_->driver().submit(CallId{call}, std::move(request));
}

void PythonCoordinatorSession::stop_starting(std::uint64_t call) {
  const WithoutGil release;
  session_->driver().stop_starting(CallId{call});
}

void PythonCoordinatorSession::end_call(std::uint64_t call) {
  const WithoutGil release;
  session_->driver().end_call(CallId{call});
}

std::uint64_t PythonCoordinatorSession::scatter(const nb::bytes& head, nb::handle buffers) {
  Payload value = payload_from(head, buffers);
  const WithoutGil release;
  return session_->driver().share(std::move(value)).value;
}

void PythonCoordinatorSession::drop(std::uint64_t object) {
  const WithoutGil release;
  session_->driver().drop(ObjectId{object});
}

nb::dict PythonCoordinatorSession::object_stats() {
  ObjectStats stats;
  {
    const WithoutGil release;
    stats = session_->driver().object_stats();
  }
  nb::dict result;
  result["objects"] = stats.objects;
  result["object_bytes"] = stats.object_bytes;
  result["transfers"] = stats.transfers;
  result["segments"] = stats.segments;
  result["segment_bytes"] = stats.segment_bytes;
  result["spare_bytes"] = stats.spare_bytes;
  return result;
}

std::size_t PythonCoordinatorSession::unfinished_tasks() {
  const WithoutGil release;
  return session_->driver().unfinished_tasks();
}

bool PythonCoordinatorSession::results_fill_memory(std::uint64_t call) {
  const WithoutGil release;
  return session_->driver().results_fill_memory(CallId{call});
}

nb::list PythonCoordinatorSession::compare_file(const std::string& path, bool for_writing, const std::string& mark) {
  // Longer than rank 0 waits for a silent worker before it gives it up, with the default heartbeat.
  constexpr std::chrono::seconds patience{30};
  std::vector<FileRefusal> refusals;
  {
    const WithoutGil release;
    const FileIdentity file = identify_file(path, for_writing ? FileUse::writing : FileUse::reading, mark);
    refusals = session_->driver().compare_file(file, patience);
  }
  nb::list result;
  for (const FileRefusal& refusal : refusals) result.append(nb::make_tuple(refusal.worker.value, refusal.reason));
  return result;
}

std::uint64_t PythonCoordinatorSession::room_elsewhere() {
  const WithoutGil release;
  return session_->driver().room_elsewhere();
}

std::uint64_t PythonCoordinatorSession::worker_returns() {
  const WithoutGil release;
  return session_->driver().worker_returns();
}

nb::list PythonCoordinatorSession::next_results(double seconds) {
  std::vector<FinishedTask> tasks;
  {
    const WithoutGil release;
    tasks = session_->next_results(seconds);
  }
  release_done_buffers();
  nb::list results;
  for (const FinishedTask& task : tasks) results.append(finished_task(task));
  return results;
}

void PythonCoordinatorSession::close(int status) {
  const WithoutGil release;
  session_->close(status);
}

void bind_coordinator_session(nb::module_& module) {
  auto session = nb::class_<PythonCoordinatorSession>(module, "CoordinatorSession", nb::is_final());
  bind_job(session);
  session
      .def(
          "start_call",
          [](PythonCoordinatorSession& self, int max_running, unsigned retries, bool retry_exceptions,
             double task_timeout, std::uint64_t memory_limit, std::optional<std::uint64_t> spill_threshold,
             std::optional<std::uint64_t> memory_budget, std::optional<std::string> spill_dir,
             std::optional<bool> keep_spill, std::optional<std::string> spill_compression) {
            return self.start_call({.n_jobs = max_running,
                                    .retries = retries,
                                    .retry_exceptions = retry_exceptions,
                                    .task_timeout_seconds = task_timeout,
                                    .memory_limit_bytes = memory_limit,
                                    .spill = {spill_threshold, memory_budget, std::move(spill_dir), keep_spill,
                                              std::move(spill_compression)}});
          },
          nb::kw_only(), nb::arg("max_running"), nb::arg("retries"), nb::arg("retry_exceptions"),
          nb::arg("task_timeout"), nb::arg("memory_limit"), nb::arg("spill_threshold") = nb::none(),
          nb::arg("memory_budget") = nb::none(), nb::arg("spill_dir") = nb::none(), nb::arg("keep_spill") = nb::none(),
          nb::arg("spill_compression") = nb::none())
      .def("submit", &PythonCoordinatorSession::submit, nb::arg("call"), nb::arg("index"), nb::arg("name"),
           nb::arg("head"), nb::arg("buffers"), nb::arg("objects"))
      .def("stop_starting", &PythonCoordinatorSession::stop_starting, nb::arg("call"))
      .def("end_call", &PythonCoordinatorSession::end_call, nb::arg("call"))
      .def("scatter", &PythonCoordinatorSession::scatter, nb::arg("head"), nb::arg("buffers"))
      .def("drop", &PythonCoordinatorSession::drop, nb::arg("object_id"))
      .def("object_stats", &PythonCoordinatorSession::object_stats)
      .def("unfinished_tasks", &PythonCoordinatorSession::unfinished_tasks)
      .def("room_elsewhere", &PythonCoordinatorSession::room_elsewhere)
      .def("results_fill_memory", &PythonCoordinatorSession::results_fill_memory, nb::arg("call"))
      .def("compare_file", &PythonCoordinatorSession::compare_file, nb::arg("path"), nb::arg("for_writing"),
           nb::arg("mark"))
      .def("worker_returns", &PythonCoordinatorSession::worker_returns)
      .def("next_results", &PythonCoordinatorSession::next_results, nb::arg("timeout"))
      .def("wake", &PythonCoordinatorSession::wake)
      .def("close", &PythonCoordinatorSession::close, nb::arg("status"));
}

}  // namespace joblib_mpi
