#pragma once

#include <cstddef>
#include <type_traits>

namespace joblib_mpi::detail {

template <std::size_t size>
struct ZeroBytes {
  unsigned char bytes[size];
};

/// A class of which the compiler knows all members, private ones included: one that can be made in a constant
/// expression. Larger ones take long to look into. Clang refuses bit-fields and complex numbers where g++ does not.
template <class T>
concept CanBeLookedInto =
#if defined(__GNUC__) && !defined(__clang__)
    (std::is_class_v<T> || std::is_union_v<T>)&&std::is_trivially_copyable_v<T> && __is_literal_type(T) &&
    sizeof(T) <= 65536;
#else
    false;
#endif

/// A class that holds a pointer, a reference or a union, such as that of std::optional: in none of these cases is
/// std::bit_cast a constant expression. Arrays of pointers are not found, into which g++ lets zeros be cast.
template <class T>
concept HidesPointerOrUnion = CanBeLookedInto<T> && !requires {
  typename std::bool_constant<(static_cast<void>(__builtin_bit_cast(T, ZeroBytes<sizeof(T)>{})), true)>;
};

}  // namespace joblib_mpi::detail
