#pragma once

#include <joblib_mpi/detail/delayed_call.hpp>
#include <joblib_mpi/detail/signature.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace joblib_mpi {

/// Returns a call of `function` that `Parallel` will make: `delayed<score>(data, fold)`. The counterpart of
/// `joblib.delayed`.
///
/// `function` is a plain function or a lambda without captures; the other ranks know it because they run the same
/// program. Arguments are converted to the types of the parameters and kept by value. A `Shared<T>` stands for a
/// `const T&`, and also for a `std::span` or `std::string_view` of its elements if `T` is a vector or string of
/// trivially copyable elements.
template <auto function, class... A>
[[nodiscard]] auto delayed(A&&... arguments) {
  using Function = detail::Signature<std::remove_const_t<decltype(function)>>;
  using Parameters = typename Function::template Parameters<std::tuple>;
  using StoredTypes = typename detail::StoredTupleOf<Parameters, A...>::type;
  return detail::Delayed<function, StoredTypes>(std::in_place, std::forward<A>(arguments)...);
}

}  // namespace joblib_mpi
