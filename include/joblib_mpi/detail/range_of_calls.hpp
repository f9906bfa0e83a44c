#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/serializable.hpp>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <type_traits>
#include <utility>

namespace joblib_mpi::detail {

/// Is true if the elements of a range given as `Range&&` may be moved: it is a container that the caller gives up.
template <class Range>
inline constexpr bool gives_up_elements = !std::is_lvalue_reference_v<Range> && !std::ranges::view<Range>;
template <class Container>
inline constexpr bool gives_up_elements<std::ranges::owning_view<Container>> = true;

template <class Given>
struct NotARange {
  static constexpr void explain() {
    static_assert(
        never<Given>,
        "Parallel{}(…) takes a range of calls: a std::vector of them, or inputs | std::views::transform([](int "
        "i) { return delayed<f>(i); })");
  }
};
template <class Element>
struct NotACall {
  static constexpr void explain() {
    static_assert(never<Element>,
                  "the elements of the range given to Parallel are no calls: write delayed<f>(x) in place of f(x)");
  }
};
template <class Call>
struct CannotBeCopied {
  static constexpr void explain() {
    static_assert(
        never<Call>,
        "these calls have arguments that can only be moved: give the container up, parallel(std::move(calls))");
  }
};

/// Returns what keeps `Parallel` from running what is given as `Calls&&`.
template <class Calls>
constexpr auto range_problem() {
  if constexpr (!std::ranges::input_range<Calls>) {
    return NotARange<std::remove_cvref_t<Calls>>();
  } else {
    using Call = std::ranges::range_value_t<Calls>;
    if constexpr (!std::derived_from<Call, Task>) {
      return NotACall<Call>();
    } else if constexpr (!gives_up_elements<Calls> &&
                         !std::is_constructible_v<Call, std::ranges::range_reference_t<Calls>>) {
      return CannotBeCopied<Call>();
    } else {
      return NoProblem();
    }
  }
}

/// Returns a call of a range given as `Calls&&`, moved out of it if the caller gives it up.
template <class Calls, class Call>
[[nodiscard]] std::remove_cvref_t<Call> taken_from(Call&& call) {
  if constexpr (gives_up_elements<Calls>) {
    return std::move(call);
  } else {
    return std::forward<Call>(call);
  }
}

/// Returns the size of the arrays in the arguments of a call, in bytes, as far as its type tells it.
template <class Call>
[[nodiscard]] std::size_t array_bytes(const Call& call) {
  if constexpr (requires { call.array_bytes(); }) return call.array_bytes();
  return 0;
}

}  // namespace joblib_mpi::detail
