#pragma once

#include <joblib_mpi/detail/serializable.hpp>

#include <tuple>

namespace joblib_mpi::detail {

/// The compiler's message about calls of different functions in one list: their types differ.
template <class... Calls>
struct DifferentFunctions {
  static constexpr void explain() {
    static_assert(never<std::tuple<Calls...>>,
                  "the calls of one list have one type, that of their function: give each function a Parallel{}(…), or "
                  "write one function that is told what to do, delayed<[](bool first, int x) { return first ? f(x) : "
                  "g(x); }>(first, x)");
  }
};

}  // namespace joblib_mpi::detail
