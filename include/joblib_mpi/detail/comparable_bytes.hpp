#pragma once

#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/detail/plain_bytes.hpp>

#include <chrono>
#include <complex>
#include <cstddef>
#include <limits>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

namespace joblib_mpi::detail {

[[noreturn]] void throw_serialization_error(const std::type_info& type, const char* doing, const char* what);

template <class T>
constexpr bool has_only_value_bytes();
template <class... T>
constexpr bool have_only_value_bytes(Types<T...>) {
  return (has_only_value_bytes<T>() && ...);
}
template <class... T>
constexpr std::size_t total_size(Types<T...>) {
  return (sizeof(T) + ... + std::size_t{0});
}
template <class T>
inline constexpr bool is_duration = false;
template <class Number, class Period>
inline constexpr bool is_duration<std::chrono::duration<Number, Period>> = true;

/// Returns whether each byte of a `T` is part of its value, which is not so for padding and for absent values.
template <class T>
constexpr bool has_only_value_bytes() {
  if constexpr (std::has_unique_object_representations_v<T> || std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return true;
  } else if constexpr (is_complex<T>) {
    return has_only_value_bytes<typename T::value_type>();
  } else if constexpr (is_duration<T>) {
    return has_only_value_bytes<typename T::rep>();
  } else if constexpr (is_array<T>) {
    return have_only_value_bytes(typename ElementsOf<T>::type{});
  } else if constexpr (KnownAggregate<T>) {
    return have_only_value_bytes(MembersOf<T>{}) && total_size(MembersOf<T>{}) == sizeof(T);
  } else {
    return false;
  }
}

/// Appends the value of `value`, for comparison only: without the bytes that may differ between equal values. Throws
/// SerializationError for a class of which the compiler cannot tell them.
template <PlainBytes T>
void write_comparable(PayloadWriter& writer, const T& value);

template <class... T>
void write_all_comparable(PayloadWriter& writer, const T&... values) {
  (write_comparable(writer, values), ...);
}

template <class T>
void write_comparable_class([[maybe_unused]] PayloadWriter& writer, [[maybe_unused]] const T& value) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  T copy = value;
  __builtin_clear_padding(&copy);
  return writer.write(copy);
#endif
#endif
  throw_serialization_error(typeid(T), "compare",
                            "this compiler cannot tell its padding from its value, and a checkpoint would take equal "
                            "arguments for different ones; give it a `serialize`");
}

template <PlainBytes T>
void write_comparable([[maybe_unused]] PayloadWriter& writer, [[maybe_unused]] const T& value) {
  if constexpr (has_only_value_bytes<T>()) {
    writer.write(value);
  } else if constexpr (std::is_same_v<std::remove_cv_t<T>, long double>) {
    constexpr bool has_80_bits = std::numeric_limits<long double>::digits == 64;
    writer.write_bytes(&value, has_80_bits ? 10 : sizeof value);
  } else if constexpr (std::is_empty_v<T>) {
    return;
  } else if constexpr (is_complex<T>) {
    write_all_comparable(writer, value.real(), value.imag());
  } else if constexpr (is_duration<T>) {
    write_comparable(writer, value.count());
  } else if constexpr (is_array<T>) {
    for (const auto& element : value) write_comparable(writer, element);
  } else if constexpr (is_optional<T>) {
    writer.write(value.has_value());
    if (value) write_comparable(writer, *value);
  } else if constexpr (is_variant<T>) {
    writer.write(value.index());
    if (!value.valueless_by_exception()) {
      std::visit([&](const auto& alternative) { write_comparable(writer, alternative); }, value);
    }
  } else if constexpr (is_composed<T>) {
    std::apply([&](const auto&... element) { write_all_comparable(writer, element...); }, value);
  } else if constexpr (KnownAggregate<T>) {
    visit_members(value, [&](const auto&... member) { write_all_comparable(writer, member...); });
  } else {
    write_comparable_class(writer, value);
  }
}

/// Appends the bytes of `value`, for the use of the writer.
template <PlainBytes T>
void write_plain_bytes(PayloadWriter& writer, const T& value) {
  if constexpr (!has_only_value_bytes<T>()) {
    if (writer.use() == PayloadWriter::Use::compare) return write_comparable(writer, value);
  }
  writer.write(value);
}

}  // namespace joblib_mpi::detail
