#include "python_coordinator.hpp"

#include "python_finished_task.hpp"
#include "python_payload.hpp"

namespace nb = nanobind;

namespace joblib_mpi {

TaskRequest task_request(std::uint64_t index, std::uint32_t items, std::string name, const nb::bytes& head,
                         nb::handle buffers, nb::handle objects, std::optional<int> only_on) {
  TaskRequest request{index, std::move(name), payload_from(head, buffers), {}};
  request.items = items;
  if (only_on) request.only_on = WorkerId{*only_on};
  for (const nb::handle object : objects) request.objects.push_back(ObjectId{nb::cast<std::uint64_t>(object)});
  return request;
}

nb::dict stats_by_name(const ObjectStats& stats) {
  nb::dict result;
  result["objects"] = stats.objects;
  result["object_bytes"] = stats.object_bytes;
  result["transfers"] = stats.transfers;
  result["segments"] = stats.segments;
  result["segment_bytes"] = stats.segment_bytes;
  result["spare_bytes"] = stats.spare_bytes;
  return result;
}

nb::list refusals_by_rank(const std::vector<FileRefusal>& refusals) {
  nb::list result;
  for (const FileRefusal& refusal : refusals) result.append(nb::make_tuple(refusal.worker.value, refusal.reason));
  return result;
}

nb::list finished_tasks(const std::vector<FinishedTask>& tasks) {
  release_done_buffers();
  nb::list results;
  for (const FinishedTask& task : tasks) results.append(finished_task(task));
  return results;
}

}  // namespace joblib_mpi
