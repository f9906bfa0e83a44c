#pragma once

#include "core/ids.hpp"
#include "core/task_name.hpp"
#include <joblib_mpi/detail/object_id.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// A task as a call hands it to the coordinator.
struct TaskRequest {
  std::uint64_t index{};  ///< The index of the task in its call, or of the first task of a batch.
  TaskName name;          ///< The name of the task's function, for messages.
  Payload arguments;
  std::vector<ObjectId> objects;         ///< The objects that must be on the worker before the task starts.
  std::optional<WorkerId> only_on = {};  ///< The only worker that may run the task, if not every one may.
  std::uint32_t items = 1;               ///< The number of items of a batch, which several workers may share.
};

}  // namespace joblib_mpi
