#pragma once

#include <joblib_mpi/detail/has_serialize.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace joblib_mpi::detail {

template <class... T>
struct Types {};

template <class T>
inline constexpr bool is_array = std::is_array_v<T>;
template <class T, std::size_t size>
inline constexpr bool is_array<std::array<T, size>> = true;
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;
template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class T>
inline constexpr bool is_unique_ptr = false;
template <class T>
inline constexpr bool is_unique_ptr<std::unique_ptr<T>> = !std::is_array_v<T>;

template <class T>
inline constexpr bool is_shared_ptr = false;
template <class T>
inline constexpr bool is_shared_ptr<std::shared_ptr<T>> = true;

/// A class for whose pointers Boost is responsible: it has a `serialize`, and may be a base class.
template <class T>
concept PointeeOfBoost = std::is_polymorphic_v<T> || HasSerializeMember<T> || HasSerializeFunction<T>;

/// Is true if a `T` is nothing but one value of each of its element types, or of some of them.
template <class T>
inline constexpr bool is_composed = is_array<T> || is_optional<T> || is_variant<T> || is_tuple<T>;
template <class... T>
inline constexpr bool is_composed<std::pair<T...>> = true;
template <>
inline constexpr bool is_composed<std::monostate> = true;

/// A container of the standard library, or one like it.
template <class T>
concept Container = !HasSerializeMember<T> && requires {
  typename T::value_type;
  typename T::allocator_type;
};

/// The types of the values that a `T` holds, without const; none for types of which that is not known.
template <class T>
struct ElementsOf {
  using type = Types<>;
};
template <class T, std::size_t size>
struct ElementsOf<T[size]> {
  using type = Types<T>;
};
template <class T, std::size_t size>
struct ElementsOf<std::array<T, size>> {
  using type = Types<T>;
};
template <class T>
struct ElementsOf<std::optional<T>> {
  using type = Types<std::remove_const_t<T>>;
};
template <class... T>
struct ElementsOf<std::variant<T...>> {
  using type = Types<std::remove_const_t<T>...>;
};
template <class... T>
struct ElementsOf<std::pair<T...>> {
  using type = Types<std::remove_const_t<T>...>;
};
template <class... T>
struct ElementsOf<std::tuple<T...>> {
  using type = Types<std::remove_const_t<T>...>;
};
// What a pointer to a base class holds is known to Boost alone.
template <class T>
  requires(!std::is_polymorphic_v<T>)
struct ElementsOf<std::unique_ptr<T>> {
  using type = Types<std::remove_const_t<T>>;
};
template <class T>
  requires(!std::is_polymorphic_v<T> && !std::is_void_v<T>)
struct ElementsOf<std::shared_ptr<T>> {
  using type = Types<std::remove_const_t<T>>;
};
template <Container T>
struct ElementsOf<T> {
  using type = Types<std::remove_const_t<typename T::value_type>>;
};

}  // namespace joblib_mpi::detail
