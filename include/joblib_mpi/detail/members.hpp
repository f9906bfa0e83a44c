#pragma once

#include <algorithm>
#include <climits>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace joblib_mpi::detail {

/// Stands for a value of any type where the members of an aggregate are counted.
template <std::size_t>
struct AnyValue {
  template <class T>
  operator T() const noexcept;
};
/// Stands for a value of any base class of `Aggregate`.
template <class Aggregate>
struct AnyBase {
  template <class T>
    requires(std::is_base_of_v<T, Aggregate> && !std::is_same_v<T, Aggregate>)
  operator T() const noexcept;
};
/// Stands for a value of any union.
struct AnyUnion {
  template <class T>
    requires std::is_union_v<T>
  operator T() const noexcept;
};

template <class T, class Last, std::size_t... first>
constexpr bool takes_after(std::index_sequence<first...>) {
  return requires { T{AnyValue<first>{}..., Last{}}; };
}
/// Returns whether `first` values and then a `Last` initialise members of `T`.
template <class T, std::size_t first, class Last>
constexpr bool takes_after() {
  return takes_after<T, Last>(std::make_index_sequence<first>{});
}

template <class T, std::size_t... first, std::size_t... after>
constexpr bool takes_braces_after(std::index_sequence<first...>, std::index_sequence<after...>) {
  return requires { T{AnyValue<first>{}..., {AnyValue<0>{}}, AnyValue<after>{}...}; };
}
/// Returns whether `first` values, one in braces and `after` values initialise members of `T`.
template <class T, std::size_t first, std::size_t after>
constexpr bool takes_braces_after() {
  return takes_braces_after<T>(std::make_index_sequence<first>{}, std::make_index_sequence<after>{});
}

/// Returns the number of values from which `T` can be made: one for each member, and for each element of an array.
/// `T` takes `low` values, and does not take `high`.
template <class T, std::size_t low, std::size_t high>
constexpr std::size_t count_values() {
  if constexpr (low + 1 == high) {
    return low;
  } else {
    constexpr std::size_t middle = std::min(2 * low + 1, low + (high - low) / 2);
    if constexpr (takes_after<T, middle - 1, AnyValue<0>>()) {
      return count_values<T, middle, high>();
    } else {
      return count_values<T, low, middle>();
    }
  }
}

/// Returns the number of values that may follow the array at `first`: it may be followed by `low` and not by `high`.
template <class T, std::size_t first, std::size_t low, std::size_t high>
constexpr std::size_t count_values_after_array() {
  if constexpr (low + 1 == high) {
    return low;
  } else {
    constexpr std::size_t middle = low + (high - low) / 2;
    if constexpr (takes_braces_after<T, first, middle>()) {
      return count_values_after_array<T, first, middle, high>();
    } else {
      return count_values_after_array<T, first, low, middle>();
    }
  }
}

/// Returns the number of members from the one at `first` on, if `T` takes `total` values; 1000, too many to visit, if
/// one is a union.
template <class T, std::size_t total, std::size_t first = 0>
constexpr std::size_t count_members() {
  constexpr std::size_t rest = total - first;
  if constexpr (rest == 0) {
    return 0;
  } else if constexpr (takes_after<T, first, AnyUnion>()) {
    return 1000;
  } else if constexpr (takes_braces_after<T, first, rest - 1>() || !takes_braces_after<T, first, 0>()) {
    return 1 + count_members<T, total, first + 1>();
  } else {
    constexpr std::size_t after = count_values_after_array<T, first, 0, rest - 1>();
    return 1 + count_members<T, total, total - after>();
  }
}

template <class T>
constexpr std::size_t members_to_visit() {
  constexpr std::size_t most_members = 32;
  constexpr std::size_t most_values = 1024;
  if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T> || takes_after<T, 0, AnyBase<T>>()) {
    return 0;
  } else {
    constexpr std::size_t values = count_values<T, 0, std::min(most_values, sizeof(T) * CHAR_BIT) + 1>();
    if constexpr (values == most_values) {
      return 0;
    } else {
      constexpr std::size_t members = count_members<T, values>();
      return members <= most_members ? members : 0;
    }
  }
}

/// An aggregate whose members `visit_members` knows. It does not know those of a class with a base class or a union
/// among its members, with more than 32 members, or with arrays of more than 1000 elements together.
template <class T>
concept HasKnownMembers = members_to_visit<T>() > 0;

/// Returns `visitor(member...)` for the members of `value`, which the visitor takes as `const auto&`.
template <HasKnownMembers T, class Visitor>
constexpr decltype(auto) visit_members(const T& value, Visitor&& visitor) {
  constexpr std::size_t count = members_to_visit<T>();
#define JOBLIB_MPI_VISIT_MEMBERS(n, ...) \
  if constexpr (count == n) {            \
    const auto& [__VA_ARGS__] = value;   \
    return visitor(__VA_ARGS__);         \
  }
  JOBLIB_MPI_VISIT_MEMBERS(1, m1)
  JOBLIB_MPI_VISIT_MEMBERS(2, m1, m2)
  JOBLIB_MPI_VISIT_MEMBERS(3, m1, m2, m3)
  JOBLIB_MPI_VISIT_MEMBERS(4, m1, m2, m3, m4)
  JOBLIB_MPI_VISIT_MEMBERS(5, m1, m2, m3, m4, m5)
  JOBLIB_MPI_VISIT_MEMBERS(6, m1, m2, m3, m4, m5, m6)
  JOBLIB_MPI_VISIT_MEMBERS(7, m1, m2, m3, m4, m5, m6, m7)
  JOBLIB_MPI_VISIT_MEMBERS(8, m1, m2, m3, m4, m5, m6, m7, m8)
  JOBLIB_MPI_VISIT_MEMBERS(9, m1, m2, m3, m4, m5, m6, m7, m8, m9)
  JOBLIB_MPI_VISIT_MEMBERS(10, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10)
  JOBLIB_MPI_VISIT_MEMBERS(11, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11)
  JOBLIB_MPI_VISIT_MEMBERS(12, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12)
  JOBLIB_MPI_VISIT_MEMBERS(13, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13)
  JOBLIB_MPI_VISIT_MEMBERS(14, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14)
  JOBLIB_MPI_VISIT_MEMBERS(15, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15)
  JOBLIB_MPI_VISIT_MEMBERS(16, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16)
  JOBLIB_MPI_VISIT_MEMBERS(17, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17)
  JOBLIB_MPI_VISIT_MEMBERS(18, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18)
  JOBLIB_MPI_VISIT_MEMBERS(19, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19)
  JOBLIB_MPI_VISIT_MEMBERS(20, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20)
  JOBLIB_MPI_VISIT_MEMBERS(21, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21)
  JOBLIB_MPI_VISIT_MEMBERS(22, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22)
  JOBLIB_MPI_VISIT_MEMBERS(23, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23)
  JOBLIB_MPI_VISIT_MEMBERS(24, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24)
  JOBLIB_MPI_VISIT_MEMBERS(25, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25)
  JOBLIB_MPI_VISIT_MEMBERS(26, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25, m26)
  JOBLIB_MPI_VISIT_MEMBERS(27, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25, m26, m27)
  JOBLIB_MPI_VISIT_MEMBERS(28, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25, m26, m27, m28)
  JOBLIB_MPI_VISIT_MEMBERS(29, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25, m26, m27, m28, m29)
  JOBLIB_MPI_VISIT_MEMBERS(30, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30)
  JOBLIB_MPI_VISIT_MEMBERS(31, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31)
  JOBLIB_MPI_VISIT_MEMBERS(32, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
                           m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32)
#undef JOBLIB_MPI_VISIT_MEMBERS
}

}  // namespace joblib_mpi::detail
