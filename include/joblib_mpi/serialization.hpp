#pragma once

#include <joblib_mpi/detail/archive.hpp>
#include <joblib_mpi/detail/comparable_bytes.hpp>
#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/detail/plain_bytes.hpp>
#include <joblib_mpi/detail/serializable.hpp>

#include <boost/archive/archive_exception.hpp>
#include <boost/serialization/array.hpp>
#include <boost/serialization/complex.hpp>
#include <boost/serialization/map.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/unordered_map.hpp>
#include <boost/serialization/utility.hpp>
#include <boost/serialization/vector.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

/// Serialization of arguments, results and scattered objects: every type that Boost.Serialization supports works. Its
/// tutorial shows how to give a class a `serialize` member; a standard container that is not included here needs its
/// header from boost/serialization.
namespace joblib_mpi {

/// A type whose values can travel between ranks: a number, a string, a class with a `serialize` member or function, a
/// trivially copyable class without one, and what the standard library composes of them. Pointers, references and views
/// are refused, also as members of such a class.
///
/// A class with a `serialize` is serialized with it, even if it is trivially copyable, unless
/// BOOST_IS_BITWISE_SERIALIZABLE declares that its bytes are its value. The members of a class with a constructor, a
/// base class, a union or private members are not examined: without `serialize`, its bytes must be its value. A final
/// class with private members needs a public `serialize` or that declaration.
template <class T>
concept Serializable = detail::can_be_serialized<T>();

/// Is true if serializing a `T` passes on only arrays that are part of the value, none that its `serialize` makes for
/// the purpose. Large arrays are then sent from where they lie; otherwise each is copied once. Specialise it for a
/// class that is scattered or returned large: `template <> inline constexpr bool
/// joblib_mpi::serializes_in_place<Matrix> = true;`.
template <class T>
inline constexpr bool serializes_in_place = false;

/// Appends a copy of `value`. Throws SerializationError if Boost cannot serialize it.
template <class T>
void save(PayloadWriter& writer, const T& value);

/// Appends `*owner` without copying its large arrays: `owner` keeps them alive and unchanged as long as the payload
/// needs them.
template <class T>
void save_owned(PayloadWriter& writer, const std::shared_ptr<const T>& owner);

/// Appends `value`, whose large arrays move into the payload.
template <class T>
  requires(!std::is_lvalue_reference_v<T>)
void save_consumed(PayloadWriter& writer, T&& value);

/// Takes the next value out. Throws SerializationError if the bytes are not a `T`.
template <class T>
[[nodiscard]] T load(PayloadReader& reader);

namespace detail {

template <class T>
inline constexpr bool has_only_own_arrays = PlainBytes<T> || is_plain_array<T> || serializes_in_place<T>;

template <class Array>
void write_comparable_array(PayloadWriter& writer, const Array& array) {
  writer.write(static_cast<std::uint64_t>(array.size()));
  for (const auto& element : array) write_comparable(writer, element);
}

/// Appends `value`. A large array is passed on without a copy if `owner`, which keeps it alive, is not null.
template <class T>
void save_value(PayloadWriter& writer, const T& value, [[maybe_unused]] const std::shared_ptr<const void>& owner) {
  if constexpr (!can_be_serialized<T>()) {
    decltype(serialization_problem<T>())::explain();
  } else if constexpr (PlainBytes<T>) {
    write_plain_bytes(writer, value);
  } else if constexpr (is_plain_array<T>) {
    if constexpr (!has_only_value_bytes<typename T::value_type>()) {
      if (writer.use() == PayloadWriter::Use::compare) return write_comparable_array(writer, value);
    }
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

template <class T>
void save(PayloadWriter& writer, const T& value) {
  detail::save_value(writer, value, nullptr);
}

template <class T>
void save_owned(PayloadWriter& writer, const std::shared_ptr<const T>& owner) {
  detail::save_value(writer, *owner, owner);
}

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

template <class T>
T load(PayloadReader& reader) {
  using Problem = decltype(detail::transfer_problem<T>());
  if constexpr (!std::is_same_v<Problem, detail::NoProblem>) {
    Problem::explain();
    return load<T>(reader);
  } else if constexpr (detail::PlainBytes<T>) {
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

template <class T>
void save_members(PayloadWriter& writer, const T& value) {
  OutputArchive(writer, nullptr) << value;
}

template <class T>
void load_members(PayloadReader& reader, T& value) {
  InputArchive(reader) >> value;
}

}  // namespace detail

}  // namespace joblib_mpi
