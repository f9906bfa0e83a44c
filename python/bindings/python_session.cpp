#include "python_session.hpp"

#include "python_payload.hpp"
#include <joblib_mpi/error.hpp>

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <csignal>
#include <utility>

namespace nb = nanobind;

namespace joblib_mpi {
namespace {

/// Always the same objects: the caller compares by identity, and none is made for each task.
nb::handle ending_name(TaskEnding ending) {
  static PyObject* const returned = PyUnicode_InternFromString("returned");
  static PyObject* const raised = PyUnicode_InternFromString("raised");
  static PyObject* const timed_out = PyUnicode_InternFromString("timed out");
  static PyObject* const cancelled = PyUnicode_InternFromString("cancelled");
  static PyObject* const spill_failed = PyUnicode_InternFromString("spill failed");
  static PyObject* const lost = PyUnicode_InternFromString("lost");
  switch (ending) {
    case TaskEnding::returned:
      return returned;
    case TaskEnding::raised:
      return raised;
    case TaskEnding::timed_out:
      return timed_out;
    case TaskEnding::cancelled:
      return cancelled;
    case TaskEnding::spilled:
      break;  // nobody hears of it
    case TaskEnding::spill_failed:
      return spill_failed;
    case TaskEnding::lost:
      break;
  }
  return lost;
}

/// Only where the error will name it: a string for each result would cost more than the rest of the tuple.
nb::object function_name(const FinishedTask& task) {
  const bool has_answer = task.ending == TaskEnding::returned || task.ending == TaskEnding::raised;
  return has_answer ? nb::none() : nb::cast(task.name);
}

}  // namespace

PythonSession::PythonSession(std::string identity, PythonZygote* zygote)
    : session_((nb::gil_scoped_release{}, std::move(identity)),
               [this] {
                 if (serving_) pthread_kill(serving_thread_, SIGINT);
               },
               zygote == nullptr ? nullptr : std::move(zygote->zygote)) {}

void PythonSession::require_rank_0(const char* function) const {
  if (rank() != 0) {
    throw UsageError(std::string(function) + " was called on rank " + std::to_string(rank()) +
                     "; only rank 0 gives tasks away");
  }
  if (closed_) throw UsageError(std::string(function) + " was called after the session was closed");
}

void PythonSession::require_worker(const char* function) const {
  if (rank() == 0) {
    throw UsageError(std::string(function) + " was called on rank 0, which gives tasks away and does not run them");
  }
}

const std::string& PythonSession::host(int rank) const {
  if (rank < 0 || rank >= size()) throw nb::index_error("there is no such rank");
  return session_.hosts()[static_cast<std::size_t>(rank)];
}

std::uint64_t PythonSession::start_call(std::size_t max_running, unsigned retries, bool retry_exceptions,
                                        double task_seconds, std::uint64_t memory_bytes, SpillOptions spill) {
  require_rank_0("start_call");
  return session_
      .start_call({.max_running = max_running,
                   .retries = retries,
                   .retry_exceptions = retry_exceptions,
                   .limits = {task_seconds, memory_bytes},
                   .spill = std::move(spill)})
      .value;
}

void PythonSession::submit(std::uint64_t call, std::uint64_t ticket, std::string name, const nb::bytes& head,
                           nb::handle buffers, nb::handle objects) {
  require_rank_0("submit");
  TaskRequest request{ticket, std::move(name), payload_from(head, buffers), {}};
  for (const nb::handle object : objects) request.objects.push_back(ObjectId{nb::cast<std::uint64_t>(object)});
  const nb::gil_scoped_release release;
  session_.submit(CallId{call}, std::move(request));
}

void PythonSession::stop_starting(std::uint64_t call) {
  if (!closed_) session_.stop_starting(CallId{call});
}

void PythonSession::end_call(std::uint64_t call) {
  if (!closed_) session_.end_call(CallId{call});
}

std::uint64_t PythonSession::scatter(const nb::bytes& head, nb::handle buffers) {
  require_rank_0("scatter");
  return session_.share(payload_from(head, buffers)).value;
}

void PythonSession::drop(std::uint64_t object) {
  if (!closed_) session_.drop(ObjectId{object});
}

nb::dict PythonSession::object_stats() {
  require_rank_0("object_stats");
  ObjectStats stats;
  {
    const nb::gil_scoped_release release;
    stats = session_.object_stats();
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

bool PythonSession::results_fill_memory(std::uint64_t call) {
  if (closed_) return false;
  const nb::gil_scoped_release release;
  return session_.results_fill_memory(CallId{call});
}

nb::list PythonSession::next_results(double seconds) {
  require_rank_0("next_results");
  std::vector<FinishedTask> tasks;
  {
    const nb::gil_scoped_release release;
    tasks = session_.next_results(seconds);
  }
  release_done_buffers();
  nb::list results;
  for (const FinishedTask& task : tasks) {
    results.append(nb::make_tuple(task.call.value, task.ticket, task.worker.value, ending_name(task.ending),
                                  task.attempts, function_name(task), head_of(task.result),
                                  buffers_of(task.result, !task.result.on_disk)));
  }
  return results;
}

void PythonSession::close(int status) {
  if (rank() != 0) throw UsageError("close was called on a worker rank; it is rank 0 that ends the session");
  closed_ = true;
  const nb::gil_scoped_release release;
  session_.close(status);
}

int PythonSession::serve(const nb::callable& run, const nb::callable& forget) {
  require_worker("serve");
  TaskPort* const port = session_.task_port();
  if (port == nullptr) throw UsageError("serve was called on a rank whose tasks run in executor processes");
  loop_.emplace(*port);
  serving_thread_ = pthread_self();
  serving_ = true;
  loop_->serve(run, forget);
  serving_ = false;
  const nb::gil_scoped_release release;
  return session_.leave();
}

int PythonSession::wait_until_closed() {
  require_worker("wait_until_closed");
  const nb::gil_scoped_release release;
  return session_.leave();
}

PythonTaskLoop& PythonSession::loop() {
  if (!loop_) throw UsageError("only a task may ask this, and none has run on this rank");
  return *loop_;
}

void bind_session(nb::module_& module) {
  nb::class_<PythonSession>(module, "Session", nb::is_final())
      .def(nb::init<std::string, PythonZygote*>(), nb::arg("identity"), nb::arg("zygote") = nb::none())
      .def_prop_ro("rank", &PythonSession::rank)
      .def_prop_ro("size", &PythonSession::size)
      .def_prop_ro("n_workers", [](const PythonSession& session) { return session.size() - 1; })
      .def("host", &PythonSession::host, nb::arg("rank"))
      .def(
          "start_call",
          [](PythonSession& session, std::size_t max_running, unsigned retries, bool retry_exceptions,
             double task_seconds, std::uint64_t memory_bytes, std::optional<std::uint64_t> spill_threshold,
             std::optional<std::uint64_t> memory_budget, std::optional<std::string> spill_dir,
             std::optional<bool> keep_spill, std::optional<std::string> spill_compression) {
            return session.start_call(
                max_running, retries, retry_exceptions, task_seconds, memory_bytes,
                {spill_threshold, memory_budget, std::move(spill_dir), keep_spill, std::move(spill_compression)});
          },
          nb::arg("max_running"), nb::arg("retries"), nb::arg("retry_exceptions"), nb::arg("task_seconds"),
          nb::arg("memory_bytes"), nb::arg("spill_threshold") = nb::none(), nb::arg("memory_budget") = nb::none(),
          nb::arg("spill_dir") = nb::none(), nb::arg("keep_spill") = nb::none(),
          nb::arg("spill_compression") = nb::none())
      .def("submit", &PythonSession::submit, nb::arg("call"), nb::arg("ticket"), nb::arg("name"), nb::arg("head"),
           nb::arg("buffers"), nb::arg("objects"))
      .def("stop_starting", &PythonSession::stop_starting, nb::arg("call"))
      .def("end_call", &PythonSession::end_call, nb::arg("call"))
      .def("scatter", &PythonSession::scatter, nb::arg("head"), nb::arg("buffers"))
      .def("drop", &PythonSession::drop, nb::arg("object_id"))
      .def("object_stats", &PythonSession::object_stats)
      .def("results_fill_memory", &PythonSession::results_fill_memory, nb::arg("call"))
      .def("next_results", &PythonSession::next_results, nb::arg("timeout"))
      .def("wake", &PythonSession::wake)
      .def("close", &PythonSession::close, nb::arg("status"))
      .def("serve", &PythonSession::serve, nb::arg("run"), nb::arg("forget"))
      .def("wait_until_closed", &PythonSession::wait_until_closed)
      .def(
          "object", [](PythonSession& session, std::uint64_t object) { return session.loop().object(object); },
          nb::arg("object_id"))
      .def(
          "copy_on_write",
          [](PythonSession& session, std::uint64_t object, std::size_t part, std::size_t offset, std::size_t bytes) {
            return session.loop().copy_on_write(object, part, offset, bytes);
          },
          nb::arg("object_id"), nb::arg("part"), nb::arg("offset"), nb::arg("nbytes"))
      .def("interrupt_requested", [](PythonSession& session) { return session.loop().interrupt_requested(); });
}

}  // namespace joblib_mpi
