#pragma once

#include <joblib_mpi/detail/object_id.hpp>

#include <compare>
#include <cstdint>

namespace joblib_mpi {

/// The id of a task. Slots are reused, so that tables of tasks are arrays; the combination of slot and generation is
/// never reused.
struct TaskId {
  std::uint32_t slot{};
  std::uint32_t generation{};
  friend auto operator<=>(const TaskId&, const TaskId&) = default;
};
/// The id of a `Parallel` call.
using CallId = detail::Id<struct CallTag, std::uint64_t>;
/// The id of a worker: its rank.
using WorkerId = detail::Id<struct WorkerTag, int>;

}  // namespace joblib_mpi
