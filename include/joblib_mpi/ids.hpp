#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace joblib_mpi {

/// A number that means one kind of thing only: a `WorkerId` never fits where a `TaskId` is asked for.
template <class Tag, class Number>
struct Id {
  Number value{};
  friend auto operator<=>(const Id&, const Id&) = default;
};

/// One task of one call. Slots are used again, so tables of tasks are arrays; slot and generation together are not.
struct TaskId {
  std::uint32_t slot{};
  std::uint32_t generation{};
  friend auto operator<=>(const TaskId&, const TaskId&) = default;
};
/// One `Parallel` call.
using CallId = Id<struct CallTag, std::uint64_t>;
/// One scattered object. 0 is no object.
using ObjectId = Id<struct ObjectTag, std::uint64_t>;
/// A worker; its value is its rank.
using WorkerId = Id<struct WorkerTag, int>;

}  // namespace joblib_mpi

template <class Tag, class Number>
struct std::hash<joblib_mpi::Id<Tag, Number>> {
  std::size_t operator()(joblib_mpi::Id<Tag, Number> id) const noexcept { return std::hash<Number>{}(id.value); }
};
