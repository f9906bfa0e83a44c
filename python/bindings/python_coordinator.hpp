#pragma once

#include "core/file_identity.hpp"
#include "core/file_refusal.hpp"
#include "core/finished_task.hpp"
#include "core/ids.hpp"
#include "core/task_request.hpp"
#include "files/file_comparison.hpp"
#include "python_payload.hpp"
#include "without_gil.hpp"
#include <joblib_mpi/detail/call_options.hpp>
#include <joblib_mpi/object_stats.hpp>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi {

// These functions make the core's objects of Python's and Python's of the core's. They need the GIL.
[[nodiscard]] TaskRequest task_request(std::uint64_t index, std::uint32_t items, std::string name,
                                       const nanobind::bytes& head, nanobind::handle buffers, nanobind::handle objects,
                                       std::optional<int> only_on);
[[nodiscard]] nanobind::dict stats_by_name(const ObjectStats& stats);
[[nodiscard]] nanobind::list refusals_by_rank(const std::vector<FileRefusal>& refusals);
[[nodiscard]] nanobind::list finished_tasks(const std::vector<FinishedTask>& tasks);

/// Adds to a Python type what every process of a job knows of it: `size`, `n_workers` and `host`. `Type::hosts()`
/// returns the processor names, by rank.
template <class Type>
void bind_hosts(nanobind::class_<Type>& type) {
  const auto size = [](const Type& self) { return static_cast<int>(self.hosts().size()); };
  type.def_prop_ro("size", size)
      .def_prop_ro("n_workers", [size](const Type& self) { return size(self) - 1; })
      .def(
          "host",
          [size](const Type& self, int rank) -> const std::string& {
            if (rank < 0 || rank >= size(self)) {
              throw nanobind::index_error(("there is no rank " + std::to_string(rank)).c_str());
            }
            return self.hosts()[static_cast<std::size_t>(rank)];
          },
          nanobind::arg("rank"));
}

/// Adds the functions of the protocol `Coordinator` (coordinator.py) to a Python type, each of which releases the GIL
/// while it may wait. `Type` has `start_call`, `compare_file`, `next_results` and `wake` itself, and the other
/// functions in the object that `coordinator()` returns, which is a CoordinatorDriver or a Client.
template <class Type>
void bind_coordinator(nanobind::class_<Type>& type) {
  namespace nb = nanobind;
  bind_hosts(type);
  type.def(
      "start_call",
      [](Type& self, int max_running, unsigned retries, bool retry_exceptions, double task_timeout,
         std::uint64_t memory_limit, std::optional<std::uint64_t> spill_threshold,
         std::optional<std::uint64_t> memory_budget, std::optional<std::string> spill_dir,
         std::optional<bool> keep_spill, std::optional<std::string> spill_compression) {
        const CallOptions options{
            .n_jobs = max_running,
            .retries = retries,
            .retry_exceptions = retry_exceptions,
            .task_timeout_seconds = task_timeout,
            .memory_limit_bytes = memory_limit,
            .spill = {spill_threshold, memory_budget, std::move(spill_dir), keep_spill, std::move(spill_compression)}};
        return without_gil([&] { return self.start_call(options).value; });
      },
      nb::kw_only(), nb::arg("max_running"), nb::arg("retries"), nb::arg("retry_exceptions"), nb::arg("task_timeout"),
      nb::arg("memory_limit"), nb::arg("spill_threshold") = nb::none(), nb::arg("memory_budget") = nb::none(),
      nb::arg("spill_dir") = nb::none(), nb::arg("keep_spill") = nb::none(), nb::arg("spill_compression") = nb::none());
  type.def(
      "submit",
      [](Type& self, std::uint64_t call, std::uint64_t index, std::uint32_t items, std::string name,
         const nb::bytes& head, nb::handle buffers, nb::handle objects, std::optional<int> only_on) {
        TaskRequest request = task_request(index, items, std::move(name), head, buffers, objects, only_on);
        const WithoutGil release;
        self.coordinator().submit(CallId{call}, std::move(request));
      },
      nb::arg("call"), nb::arg("index"), nb::arg("items"), nb::arg("name"), nb::arg("head"), nb::arg("buffers"),
      nb::arg("objects"), nb::arg("only_on") = nb::none());
  type.def(
      "stop_starting",
      [](Type& self, std::uint64_t call) {
        const WithoutGil release;
        self.coordinator().stop_starting(CallId{call});
      },
      nb::arg("call"));
  type.def(
      "end_call",
      [](Type& self, std::uint64_t call) {
        const WithoutGil release;
        self.coordinator().end_call(CallId{call});
      },
      nb::arg("call"));
  type.def(
      "scatter",
      [](Type& self, const nb::bytes& head, nb::handle buffers) {
        Payload value = payload_from(head, buffers);
        return without_gil([&] { return self.coordinator().share(std::move(value)).value; });
      },
      nb::arg("head"), nb::arg("buffers"));
  type.def(
      "drop",
      [](Type& self, std::uint64_t object) {
        const WithoutGil release;
        self.coordinator().drop(ObjectId{object});
      },
      nb::arg("object_id"));
  type.def("object_stats",
           [](Type& self) { return stats_by_name(without_gil([&] { return self.coordinator().object_stats(); })); });
  type.def("unfinished_tasks",
           [](Type& self) { return without_gil([&] { return self.coordinator().unfinished_tasks(); }); });
  type.def(
      "results_fill_memory",
      [](Type& self, std::uint64_t call) {
        return without_gil([&] { return self.coordinator().results_fill_memory(CallId{call}); });
      },
      nb::arg("call"));
  type.def("room_elsewhere",
           [](Type& self) { return without_gil([&] { return self.coordinator().room_elsewhere(); }); });
  type.def("worker_returns",
           [](Type& self) { return without_gil([&] { return self.coordinator().worker_returns(); }); });
  type.def(
      "compare_file",
      [](Type& self, const std::string& path, bool for_writing, const std::string& mark) {
        return refusals_by_rank(without_gil([&] {
          return self.compare_file(identify_file(path, for_writing ? FileUse::writing : FileUse::reading, mark));
        }));
      },
      nb::arg("path"), nb::arg("for_writing"), nb::arg("mark"));
  type.def(
      "next_results",
      [](Type& self, double seconds) {
        return finished_tasks(without_gil([&] { return self.next_results(seconds); }));
      },
      nb::arg("timeout"));
  type.def("wake", &Type::wake);
}

}  // namespace joblib_mpi
