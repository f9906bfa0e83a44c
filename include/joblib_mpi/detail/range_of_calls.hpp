#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/different_functions.hpp>
#include <joblib_mpi/detail/serializable.hpp>

#include <concepts>
#include <cstddef>
#include <ranges>
#include <tuple>
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
template <class... Calls>
struct ListInBraces {
  static constexpr void explain() {
    static_assert(never<std::tuple<Calls...>>,
                  "Parallel{}({…}) cannot tell the type of a list in braces: write Parallel{}(std::vector{…})");
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

/// Returns what keeps calls that are given one by one from being a list.
template <class First, class... More>
constexpr auto list_problem() {
  if constexpr ((std::is_same_v<First, More> && ...)) {
    return ListInBraces<First>();
  } else {
    return DifferentFunctions<First, More...>();
  }
}

/// Stands for a list in braces, which has no type, so that the compiler explains it.
struct BracedCalls {
  template <class... Calls>
    requires(sizeof...(Calls) > 0)
  BracedCalls(Calls&&...) {  // NOLINT(google-explicit-constructor): braces convert only implicitly
    decltype(list_problem<std::remove_cvref_t<Calls>...>())::explain();
  }
};

template <class Given>
struct CallsOfTuple {
  static constexpr bool exist = false;
};
template <template <class...> class Tuple, class... Calls>
  requires(sizeof...(Calls) > 1 && (std::derived_from<Calls, Task> && ...))
struct CallsOfTuple<Tuple<Calls...>> {
  static constexpr bool exist = true;
  using Problem = DifferentFunctions<Calls...>;
};

/// Returns what keeps `Parallel` from running what is given as `Calls&&`.
template <class Calls>
constexpr auto range_problem() {
  if constexpr (CallsOfTuple<std::remove_cvref_t<Calls>>::exist) {
    return typename CallsOfTuple<std::remove_cvref_t<Calls>>::Problem();
  } else if constexpr (!std::ranges::input_range<Calls>) {
    return NotARange<std::remove_cvref_t<Calls>>();
  } else {
    using Call = std::ranges::range_value_t<Calls>;
    if constexpr (CallsOfTuple<Call>::exist) {  // a variant of calls
      return typename CallsOfTuple<Call>::Problem();
    } else if constexpr (!std::derived_from<Call, Task>) {
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
