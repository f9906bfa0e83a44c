#pragma once

#include <joblib_mpi/scatter.hpp>

#include <tuple>
#include <type_traits>

namespace joblib_mpi::detail {

/// The result and parameter types of a function or of a lambda without captures.
template <class Function>
struct Signature : Signature<decltype(&Function::operator())> {};
template <class R, class... P>
struct Signature<R (*)(P...)> {
  using Result = R;
  template <template <class...> class Template>
  using Parameters = Template<P...>;
};
template <class R, class... P>
struct Signature<R (*)(P...) noexcept> : Signature<R (*)(P...)> {};
template <class R, class Class, class... P>
struct Signature<R (Class::*)(P...) const> : Signature<R (*)(P...)> {};
template <class R, class Class, class... P>
struct Signature<R (Class::*)(P...) const noexcept> : Signature<R (*)(P...)> {};

template <class T>
inline constexpr bool is_shared = false;
template <class T>
inline constexpr bool is_shared<Shared<T>> = true;

/// The type in which an argument `A` for a parameter `P` waits and travels: the parameter's value type, or `Shared<T>`.
template <class P, class A>
using Stored = std::conditional_t<is_shared<std::remove_cvref_t<A>>, std::remove_cvref_t<A>, std::remove_cvref_t<P>>;

/// The tuple of these types for the parameters `Tuple` and the arguments `A...`.
template <class Tuple, class... A>
struct StoredTupleOf;
template <class... P, class... A>
struct StoredTupleOf<std::tuple<P...>, A...> {
  static_assert(sizeof...(P) == sizeof...(A), "delayed<function>(…) needs one argument for each parameter");
  static_assert((!(std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>)&&...),
                "a task works on its own copy of the arguments: take them by value or const&, and return the result");
  using type = std::tuple<Stored<P, A>...>;
};

}  // namespace joblib_mpi::detail
