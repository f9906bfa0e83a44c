#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace joblib_mpi {

namespace detail {
/// A number of one kind: ids with different tags do not convert into each other.
template <class Tag, class Number>
struct Id {
  Number value{};
  friend auto operator<=>(const Id&, const Id&) = default;
};
}  // namespace detail

/// The id of a scattered object. 0 stands for no object.
using ObjectId = detail::Id<struct ObjectTag, std::uint64_t>;

}  // namespace joblib_mpi

template <class Tag, class Number>
struct std::hash<joblib_mpi::detail::Id<Tag, Number>> {
  std::size_t operator()(joblib_mpi::detail::Id<Tag, Number> id) const noexcept {
    return std::hash<Number>{}(id.value);
  }
};
