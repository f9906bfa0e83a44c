#pragma once

#include <joblib_mpi/archive.hpp>
#include <joblib_mpi/payload.hpp>

#include <boost/archive/archive_exception.hpp>
#include <boost/serialization/array.hpp>
#include <boost/serialization/complex.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/unordered_map.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/vector.hpp>

#include <bit>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

/// How values become payloads. Whatever Boost.Serialization can carry works: see its tutorial for giving a class a
/// `serialize` member, and include its header for a standard container that is not included here.
namespace joblib_mpi {

/// Whether serializing a `T` passes on only arrays that are part of the value, none that its `serialize` makes for the
/// purpose. Then large ones are sent from where they are; otherwise each is copied once. Say it of a class that is
/// scattered or returned large: `template <> inline constexpr bool joblib_mpi::serializes_in_place<Matrix> = true;`.
template <class T>
inline constexpr bool serializes_in_place = false;

namespace detail {

template <class T>
inline constexpr bool refers_elsewhere = std::is_pointer_v<T> || std::is_member_pointer_v<T>;
template <class Char, class Traits>
inline constexpr bool refers_elsewhere<std::basic_string_view<Char, Traits>> = true;
template <class T, std::size_t extent>
inline constexpr bool refers_elsewhere<std::span<T, extent>> = true;
template <class T>
inline constexpr bool refers_elsewhere<std::reference_wrapper<T>> = true;

/// Values that are their bytes. A struct of this kind must not hold pointers: they mean nothing on another rank.
template <class T>
concept PlainBytes = std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> && !refers_elsewhere<T>;

template <class T>
inline constexpr bool is_plain_array = false;  // one block of plain values that knows its size
template <PlainBytes T, class Allocator>
inline constexpr bool is_plain_array<std::vector<T, Allocator>> = !std::is_same_v<T, bool>;
template <PlainBytes Char, class Traits, class Allocator>
inline constexpr bool is_plain_array<std::basic_string<Char, Traits, Allocator>> = true;

template <class T>
inline constexpr bool has_only_own_arrays = PlainBytes<T> || is_plain_array<T> || serializes_in_place<T>;

template <class T>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<std::complex<T>> = true;

/// numpy's name of a type of numbers; empty for others.
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

[[noreturn]] void throw_serialization_error(const std::type_info& type, const char* doing, const char* what);

/// `owner` keeps `value` alive, or is nullptr.
template <class T>
void save_value(PayloadWriter& writer, const T& value, [[maybe_unused]] const std::shared_ptr<const void>& owner) {
  static_assert(!refers_elsewhere<T>,
                "pointers, references and views mean nothing on another rank: pass the value itself");
  if constexpr (PlainBytes<T>) {
    writer.write(value);
  } else if constexpr (is_plain_array<T>) {
    const ByteView bytes = std::as_bytes(std::span(value));
    const bool as_part = owner != nullptr && bytes.size() >= min_part_bytes;
    writer.write(static_cast<std::uint64_t>(value.size()));
    writer.write(as_part);
    as_part ? writer.write_part({owner, bytes}, numpy_name<typename T::value_type>(), value.size())
            : writer.write_bytes(bytes.data(), bytes.size());
  } else {
    try {
      OutputArchive(writer, has_only_own_arrays<T> ? owner : nullptr) << value;
    } catch (const boost::archive::archive_exception& error) {
      throw_serialization_error(typeid(T), "serialize", error.what());
    }
  }
}

}  // namespace detail

template <class T, class Allocator>
inline constexpr bool serializes_in_place<std::vector<T, Allocator>> = detail::has_only_own_arrays<T>;
template <class Key, class Value, class Compare, class Allocator>
inline constexpr bool serializes_in_place<std::map<Key, Value, Compare, Allocator>> =
    detail::has_only_own_arrays<Key> && detail::has_only_own_arrays<Value>;

/// Appends a copy of `value`.
template <class T>
void save(PayloadWriter& writer, const T& value) {
  detail::save_value(writer, value, nullptr);
}

/// The same without a copy of large arrays: `owner` keeps `*owner` alive and unchanged as long as the payload needs it.
template <class T>
void save_owned(PayloadWriter& writer, const std::shared_ptr<const T>& owner) {
  detail::save_value(writer, *owner, owner);
}

/// The same for a value that is not needed any more.
template <class T>
  requires(!std::is_lvalue_reference_v<T>)
void save_consumed(PayloadWriter& writer, T&& value) {
  bool may_be_large = detail::has_only_own_arrays<T> && !detail::PlainBytes<T>;
  if constexpr (detail::is_plain_array<T>) may_be_large = std::as_bytes(std::span(value)).size() >= min_part_bytes;
  if constexpr (std::is_move_constructible_v<T>) {
    if (may_be_large) return save_owned<T>(writer, std::make_shared<const T>(std::move(value)));
  }
  save(writer, value);
}

/// Takes the next value out. Throws SerializationError if the bytes are not a `T`.
template <class T>
[[nodiscard]] T load(PayloadReader& reader) {
  if constexpr (detail::PlainBytes<T>) {
    return reader.read<T>();
  } else if constexpr (detail::is_plain_array<T>) {
    const auto size = static_cast<std::size_t>(reader.read<std::uint64_t>());
    const std::size_t bytes = size * sizeof(typename T::value_type);
    if (bytes / sizeof(typename T::value_type) != size) {
      detail::throw_serialization_error(typeid(T), "deserialize", "its size is beyond any memory");
    }
    T value;
    if (reader.read<bool>()) {
      const ByteView part = reader.read_part().view();
      if (part.size() != bytes) detail::throw_serialization_error(typeid(T), "deserialize", "its size differs");
      // Straight into the new memory: `resize` would write it twice.
      const auto* elements = reinterpret_cast<const typename T::value_type*>(part.data());
      value.assign(elements, elements + size);
    } else {
      const ByteView source = reader.read_bytes(bytes);
      value.resize(size);
      if (size != 0) std::memcpy(value.data(), source.data(), bytes);
    }
    return value;
  } else {
    static_assert(std::is_default_constructible_v<T>, "a value that travels between ranks needs a default constructor");
    try {
      T value;
      detail::InputArchive(reader) >> value;
      return value;
    } catch (const boost::archive::archive_exception& error) {
      detail::throw_serialization_error(typeid(T), "deserialize", error.what());
    } catch (const std::length_error& error) {  // of a container that is told a senseless size
      detail::throw_serialization_error(typeid(T), "deserialize", error.what());
    } catch (const std::bad_alloc& error) {
      detail::throw_serialization_error(typeid(T), "deserialize", error.what());
    }
  }
}

namespace detail {

/// The elements of an array in a payload, and what keeps them.
template <class Element>
struct LoadedView {
  std::shared_ptr<const void> owner;
  std::span<const Element> elements;
};

/// As `load<Array>`, but a large array stays where it is: in the payload's memory, which it keeps.
template <class Array>
  requires is_plain_array<Array>
[[nodiscard]] LoadedView<typename Array::value_type> load_view(PayloadReader& reader) {
  using Element = typename Array::value_type;
  PayloadReader ahead = reader;
  const auto size = static_cast<std::size_t>(ahead.read<std::uint64_t>());
  if (ahead.read<bool>()) {
    const SharedBytes& part = ahead.read_part();
    const ByteView bytes = part.view();
    const bool is_aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(Element) == 0;
    if (is_aligned && bytes.size() / sizeof(Element) == size && bytes.size() % sizeof(Element) == 0) {
      reader = ahead;
      return {part.owner(), {reinterpret_cast<const Element*>(bytes.data()), size}};
    }
  }
  auto copy = std::make_shared<const Array>(load<Array>(reader));
  const std::span<const Element> elements(*copy);
  return {std::move(copy), elements};
}

}  // namespace detail

}  // namespace joblib_mpi
