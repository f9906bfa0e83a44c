#pragma once

#include <joblib_mpi/scatter.hpp>

#include <tuple>
#include <type_traits>

namespace joblib_mpi::detail {

/// The kinds of things that are given to `delayed`; only the first kind can be called on another rank.
enum class FunctionKind { function, c_variadic, member, mutable_lambda, generic_lambda };

template <class R, class... P>
struct FunctionSignature {
  static constexpr FunctionKind kind = FunctionKind::function;
  using Result = R;
  template <template <class...> class Template>
  using Parameters = Template<P...>;
};

/// The signature of a call operator.
template <class Operator>
struct CallSignature {
  static constexpr FunctionKind kind = FunctionKind::mutable_lambda;
};
template <class R, class Class, class... P>
struct CallSignature<R (Class::*)(P...) const> : FunctionSignature<R, P...> {};
template <class R, class Class, class... P>
struct CallSignature<R (Class::*)(P...) const noexcept> : FunctionSignature<R, P...> {};

/// The kind of a function or of a lambda without captures, and its result and parameter types if it can be called.
template <class Function>
struct Signature {
  static constexpr FunctionKind kind =
      std::is_member_pointer_v<Function> ? FunctionKind::member : FunctionKind::generic_lambda;
};
template <class Function>
  requires requires { &Function::operator(); }
struct Signature<Function> : CallSignature<decltype(&Function::operator())> {};
template <class R, class... P>
struct Signature<R (*)(P...)> : FunctionSignature<R, P...> {};
template <class R, class... P>
struct Signature<R (*)(P...) noexcept> : FunctionSignature<R, P...> {};
template <class R, class... P>
struct Signature<R (*)(P..., ...)> {
  static constexpr FunctionKind kind = FunctionKind::c_variadic;
};
template <class R, class... P>
struct Signature<R (*)(P..., ...) noexcept> : Signature<R (*)(P..., ...)> {};

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
  using type = std::tuple<Stored<P, A>...>;
};

}  // namespace joblib_mpi::detail
