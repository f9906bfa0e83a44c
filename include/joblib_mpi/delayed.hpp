#pragma once

#include <joblib_mpi/detail/checked_call.hpp>
#include <joblib_mpi/detail/delayed_call.hpp>
#include <joblib_mpi/detail/signature.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace joblib_mpi {

/// Returns a call of `function` that `Parallel` will make: `delayed<score>(data, fold)`. The counterpart of
/// `joblib.delayed`.
///
/// The function is a plain one or a lambda without captures; the other ranks know it because they run the same program.
/// Arguments are converted to the types of the parameters and kept by value. A `Shared<T>` stands for a
/// `const T&`, and also for a `std::span` or `std::string_view` of its elements if `T` is a vector or string of
/// trivially copyable elements.
template <detail::WithoutCaptures auto function_without_captures, class... A>
[[nodiscard]] auto delayed(A&&... arguments) {
  using Function = std::remove_const_t<decltype(function_without_captures)>;
  using Problem = decltype(detail::call_problem<Function, A...>());
  if constexpr (!std::is_same_v<Problem, detail::NoProblem>) {
    Problem::explain();
    return detail::RefusedCall<typename detail::ResultOf<Function>::type>();
  } else {
    using Parameters = typename detail::Signature<Function>::template Parameters<std::tuple>;
    using StoredTypes = typename detail::StoredTupleOf<Parameters, A...>::type;
    return detail::Delayed<function_without_captures, StoredTypes>(std::in_place, std::forward<A>(arguments)...);
  }
}

}  // namespace joblib_mpi
