#pragma once

#include <bit>
#include <complex>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace joblib_mpi::detail {

/// Is true if a `T` is only a reference to memory of its process.
template <class T>
inline constexpr bool refers_elsewhere = std::is_pointer_v<T> || std::is_member_pointer_v<T>;
template <class Char, class Traits>
inline constexpr bool refers_elsewhere<std::basic_string_view<Char, Traits>> = true;
template <class T, std::size_t extent>
inline constexpr bool refers_elsewhere<std::span<T, extent>> = true;
template <class T>
inline constexpr bool refers_elsewhere<std::reference_wrapper<T>> = true;

/// A type whose values are their bytes. A struct of this kind must not hold pointers, which mean nothing on another
/// rank.
template <class T>
concept PlainBytes = std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> && !refers_elsewhere<T>;

/// Is true if `T` is one contiguous block of plain values that knows its size.
template <class T>
inline constexpr bool is_plain_array = false;
template <PlainBytes T, class Allocator>
inline constexpr bool is_plain_array<std::vector<T, Allocator>> = !std::is_same_v<T, bool>;
template <PlainBytes Char, class Traits, class Allocator>
inline constexpr bool is_plain_array<std::basic_string<Char, Traits, Allocator>> = true;

template <class T>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<std::complex<T>> = true;

/// Returns numpy's name of a type of numbers, such as "<f8"; empty for other types.
template <class T>
constexpr std::string_view numpy_name() {
  constexpr bool little = std::endian::native == std::endian::little;
  constexpr std::size_t size = sizeof(T);
  if constexpr (std::is_same_v<T, bool>) {
    return "|b1";
  } else if constexpr (std::is_integral_v<T>) {
    constexpr bool is_signed = std::is_signed_v<T>;
    if (size == 1) return is_signed ? "|i1" : "|u1";
    if (size == 2) return is_signed ? (little ? "<i2" : ">i2") : (little ? "<u2" : ">u2");
    if (size == 4) return is_signed ? (little ? "<i4" : ">i4") : (little ? "<u4" : ">u4");
    if (size == 8) return is_signed ? (little ? "<i8" : ">i8") : (little ? "<u8" : ">u8");
  } else if constexpr (std::is_floating_point_v<T>) {
    if (size == 4) return little ? "<f4" : ">f4";
    if (size == 8) return little ? "<f8" : ">f8";
    if (size == 16) return little ? "<f16" : ">f16";
  } else if constexpr (is_complex<T>) {
    if (size == 8) return little ? "<c8" : ">c8";
    if (size == 16) return little ? "<c16" : ">c16";
  }
  return {};
}

}  // namespace joblib_mpi::detail
