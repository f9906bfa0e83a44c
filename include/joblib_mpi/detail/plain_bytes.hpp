#pragma once

#include <joblib_mpi/detail/elements.hpp>
#include <joblib_mpi/detail/has_serialize.hpp>
#include <joblib_mpi/detail/hidden_members.hpp>
#include <joblib_mpi/detail/members.hpp>

#include <boost/serialization/is_bitwise_serializable.hpp>

#include <bit>
#include <complex>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeindex>
#include <utility>
#include <vector>

namespace joblib_mpi::detail {

template <class T>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<std::complex<T>> = true;

template <class T>
inline constexpr bool is_view = std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_reference_v<T>;
template <class Char, class Traits>
inline constexpr bool is_view<std::basic_string_view<Char, Traits>> = true;
template <class T, std::size_t extent>
inline constexpr bool is_view<std::span<T, extent>> = true;
template <class T>
inline constexpr bool is_view<std::reference_wrapper<T>> = true;
template <class T>
inline constexpr bool is_view<std::initializer_list<T>> = true;
template <>
inline constexpr bool is_view<std::error_code> = true;
template <>
inline constexpr bool is_view<std::error_condition> = true;
template <>
inline constexpr bool is_view<std::type_index> = true;

/// A class that says itself how it is serialized, with a `serialize` member or function. Composed types have none of
/// their own, although Boost has functions for some of them.
template <class T>
concept SaysHow = !is_composed<T> && !is_complex<T> && (HasSerializeMember<T> || HasSerializeFunction<T>);

/// A class or union whose members are not hidden behind a `serialize`, nor behind a declaration that makes a private
/// one impossible to find.
template <class T>
concept Bare = (std::is_class_v<T> || std::is_union_v<T>)&&!SaysHow<T> &&
               !(std::is_final_v<T> && std::is_class_v<T> && !std::is_aggregate_v<T>);

/// A type with BOOST_IS_BITWISE_SERIALIZABLE: its bytes are its value, although it has a `serialize`.
template <class T>
concept DeclaredPlain =
    (std::is_class_v<T> || std::is_union_v<T>)&&boost::serialization::is_bitwise_serializable<T>::value;

/// A trivially copyable class without `serialize` whose members are known.
template <class T>
concept KnownAggregate = std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> && !is_composed<T> &&
                         Bare<T> && HasKnownMembers<T>;

template <class T>
using MembersOf = decltype(visit_members(
    std::declval<const T&>(), [](const auto&... member) { return Types<std::remove_cvref_t<decltype(member)>...>{}; }));

template <class T>
constexpr bool refers_outside();
template <class... T>
constexpr bool any_refers_outside(Types<T...>) {
  return (refers_outside<T>() || ...);
}
template <class T>
constexpr bool refers_outside() {
  if constexpr (is_view<T>) {
    return true;
  } else if constexpr (KnownAggregate<T> && !DeclaredPlain<T>) {
    return any_refers_outside(MembersOf<T>{});
  } else {
    return any_refers_outside(typename ElementsOf<T>::type{});
  }
}
/// Is true if a `T` is, or holds, a reference to memory of its process.
template <class T>
inline constexpr bool refers_elsewhere = refers_outside<T>();

template <class T>
constexpr bool has_plain_bytes();
template <class... T>
constexpr bool all_have_plain_bytes(Types<T...>) {
  return (has_plain_bytes<T>() && ...);
}
template <class T>
constexpr bool has_plain_bytes() {
  if constexpr (!std::is_trivially_copyable_v<T> || !std::is_default_constructible_v<T> || is_view<T>) {
    return false;
  } else if constexpr (std::is_scalar_v<T> || is_complex<T> || DeclaredPlain<T>) {
    return true;
  } else if constexpr (is_composed<T>) {
    return all_have_plain_bytes(typename ElementsOf<T>::type{});
  } else if constexpr (KnownAggregate<T>) {
    return all_have_plain_bytes(MembersOf<T>{});
  } else {
    return Bare<T> && !HidesPointerOrUnion<T>;
  }
}
/// A type whose values are their bytes: it is trivially copyable, and neither it nor one of its members has a
/// `serialize` or refers to other memory. Of a class with a constructor, a base class or private members it is not
/// known whether a member has a `serialize`; where it cannot be looked into, it must hold no pointer either.
template <class T>
concept PlainBytes = has_plain_bytes<T>();

/// Is true if `T` is one contiguous block of plain values that knows its size.
template <class T>
inline constexpr bool is_plain_array = false;
template <PlainBytes T, class Allocator>
inline constexpr bool is_plain_array<std::vector<T, Allocator>> = !std::is_same_v<T, bool>;
template <PlainBytes Char, class Traits, class Allocator>
inline constexpr bool is_plain_array<std::basic_string<Char, Traits, Allocator>> = true;

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
