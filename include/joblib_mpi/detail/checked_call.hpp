#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/serializable.hpp>
#include <joblib_mpi/detail/signature.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

/// The checks of what is given to `delayed`. They come before the templates that use it, so that a mistake has one
/// message and not those of all these templates.
namespace joblib_mpi::detail {

/// A function, or a lambda whose captures, if it had any, are arguments: `delayed<f>(captured, x)`.
template <class Function>
concept WithoutCaptures = !std::is_class_v<Function> || std::is_empty_v<Function>;  // make captures arguments

template <class Function>
struct CannotBeCalled {
  static constexpr void explain() {
    constexpr FunctionKind kind = Signature<Function>::kind;
    static_assert(
        kind != FunctionKind::member,
        "delayed<&Class::member>: write a lambda that takes the object, delayed<[](const Class& object, int x) "
        "{ return object.member(x); }>(object, x)");
    static_assert(kind != FunctionKind::mutable_lambda,
                  "a mutable lambda in delayed<…>: leave out `mutable`, since no task sees what another has changed");
    static_assert(kind != FunctionKind::generic_lambda,
                  "a generic or overloaded lambda in delayed<…>: name the types of its parameters in place of `auto`");
    static_assert(kind != FunctionKind::c_variadic,
                  "a function with C's `...` in delayed<…>: write a lambda that has the parameters you need");
  }
};
template <std::size_t parameters, std::size_t arguments>
struct WrongNumberOfArguments {
  static constexpr void explain() {
    static_assert(parameters == arguments, "delayed<function>(…) needs one argument for each parameter");
  }
};
template <std::size_t number, class Parameter>
struct MutableReference {
  static constexpr void explain() {
    static_assert(never<Parameter>,
                  "a task works on its own copy of the arguments: take them by value or const&, and return the result");
  }
};
template <std::size_t argument, class Parameter, class Given>
struct WrongArgument {
  static constexpr void explain() {
    static_assert(never<Parameter>,
                  "an argument of delayed<function>(…) does not convert to the type of the function's parameter; its "
                  "number and both types are those in this message");
  }
};

template <class P>
inline constexpr bool is_mutable_reference =
    std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;

template <class P, class A>
inline constexpr bool fits = std::is_constructible_v<std::remove_cvref_t<P>, A>;
template <class P, class A>
  requires is_shared<std::remove_cvref_t<A>>
inline constexpr bool fits<P, A> = std::is_convertible_v<const typename std::remove_cvref_t<A>::element_type&, P>;

template <std::size_t number, class Parameter, class Argument>
constexpr auto argument_problem() {
  if constexpr (is_mutable_reference<Parameter>) {
    return MutableReference<number, Parameter>();
  } else if constexpr (!fits<Parameter, Argument>) {
    return WrongArgument<number, Parameter, Argument>();
  } else if constexpr (is_shared<std::remove_cvref_t<Argument>>) {
    return NoProblem();
  } else {
    return transfer_problem<std::remove_cvref_t<Parameter>>();
  }
}

template <class... A, class... P, std::size_t... index>
constexpr auto problem_of_arguments(std::tuple<P...>*, std::index_sequence<index...>) {
  return first_problem(argument_problem<index + 1, P, A>()..., NoProblem());
}

/// Returns what keeps a task from calling `Function` with `A...`.
template <class Function, class... A>
constexpr auto call_problem() {
  using Called = Signature<Function>;
  if constexpr (Called::kind != FunctionKind::function) {
    return CannotBeCalled<Function>();
  } else {
    using Result = std::remove_cvref_t<typename Called::Result>;
    using Parameters = typename Called::template Parameters<std::tuple>;
    if constexpr (std::tuple_size_v<Parameters> != sizeof...(A)) {
      return WrongNumberOfArguments<std::tuple_size_v<Parameters>, sizeof...(A)>();
    } else if constexpr (std::is_void_v<Result>) {
      return problem_of_arguments<A...>(static_cast<Parameters*>(nullptr), std::index_sequence_for<A...>{});
    } else {
      return first_problem(
          problem_of_arguments<A...>(static_cast<Parameters*>(nullptr), std::index_sequence_for<A...>{}),
          transfer_problem<Result>());
    }
  }
}

/// The result type of a function, without reference; int for what is no function.
template <class Function>
struct ResultOf {
  using type = int;
};
template <class Function>
  requires requires { typename Signature<Function>::Result; }
struct ResultOf<Function> {
  using type = std::remove_cvref_t<typename Signature<Function>::Result>;
};

/// Stands for a call that does not compile, so that the code around it does.
template <class Result>
class RefusedCall final : public Task {
 public:
  using result_type = Result;
  [[nodiscard]] std::string_view name() const override { return {}; }
  [[nodiscard]] std::shared_ptr<void> run() override { return nullptr; }
  [[nodiscard]] bool can_run_again() const override { return false; }
  [[nodiscard]] TaskArguments save(Backend&) override { return {}; }
  [[nodiscard]] Payload view(ObjectHome&) const override { return {}; }
  [[nodiscard]] std::unique_ptr<Task> move_to_heap() override { return nullptr; }
};

}  // namespace joblib_mpi::detail
