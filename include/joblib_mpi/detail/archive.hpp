#pragma once

#include <joblib_mpi/detail/comparable_bytes.hpp>
#include <joblib_mpi/detail/elements.hpp>
#include <joblib_mpi/detail/has_serialize.hpp>
#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/detail/plain_bytes.hpp>
#include <joblib_mpi/detail/serializable.hpp>

#include <boost/archive/binary_iarchive_impl.hpp>
#include <boost/archive/binary_oarchive_impl.hpp>
#include <boost/archive/detail/register_archive.hpp>
#include <boost/archive/impl/archive_serializer_map.ipp>
#include <boost/archive/impl/basic_binary_iarchive.ipp>
#include <boost/archive/impl/basic_binary_iprimitive.ipp>
#include <boost/archive/impl/basic_binary_oarchive.ipp>
#include <boost/archive/impl/basic_binary_oprimitive.ipp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/level.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <streambuf>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace joblib_mpi::detail {

/// Lets Boost's archives write into a payload.
class PayloadOutput : public std::streambuf {
 protected:
  explicit PayloadOutput(PayloadWriter& writer) : writer_(&writer) {}
  [[nodiscard]] PayloadWriter& writer() { return *writer_; }

 private:
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    writer_->write_bytes(data, static_cast<std::size_t>(size));
    return size;
  }
  int_type overflow(int_type character) override {
    if (!traits_type::eq_int_type(character, traits_type::eof())) writer_->write(traits_type::to_char_type(character));
    return traits_type::not_eof(character);
  }

  PayloadWriter* writer_;
};

/// Lets Boost's archives read from a payload.
class PayloadInput : public std::streambuf {
 protected:
  explicit PayloadInput(PayloadReader& reader) : reader_(&reader) {}
  [[nodiscard]] PayloadReader& reader() { return *reader_; }

 private:
  std::streamsize xsgetn(char* data, std::streamsize size) override {
    const ByteView bytes = reader_->read_bytes(static_cast<std::size_t>(size));
    if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
    return size;
  }
  int_type uflow() override { return traits_type::to_int_type(reader_->read<char>()); }

  PayloadReader* reader_;
};

// Without a header: each value has a separate archive, and all ranks run the same program.
inline constexpr unsigned archive_flags = boost::archive::no_header | boost::archive::no_codecvt;

/// A class inside of a value that travels as its bytes.
template <class T>
concept PlainPart = std::is_class_v<T> && PlainBytes<T> && !HasSerializeFunction<T> && !HasSerializeMember<T> &&
                    boost::serialization::implementation_level<T>::value != boost::serialization::primitive_type;

template <class T>
inline constexpr bool is_pointer_of_boost = false;
template <PointeeOfBoost T>
inline constexpr bool is_pointer_of_boost<std::unique_ptr<T>> = true;

/// A type of the standard library that is not left to Boost, which has std::optional from 1.84 on; its function does
/// not compile together with its header for std::shared_ptr (boostorg/serialization, issue 319).
template <class T>
concept WithoutBoost = is_optional<T> || is_variant<T> || is_tuple<T> ||
                       (is_unique_ptr<T> && !(is_pointer_of_boost<T> && HasSerializeFunction<T>));

/// Boost's binary archive, except that large arrays of numbers anywhere in the value become parts of the payload, and
/// that more types of the standard library can be serialized.
class OutputArchive final : private PayloadOutput,
                            public boost::archive::binary_oarchive_impl<OutputArchive, char, std::char_traits<char>> {
  using Base = boost::archive::binary_oarchive_impl<OutputArchive, char, std::char_traits<char>>;

 public:
  /// Writes to `writer`, which must outlive the archive. `owner` keeps the value's arrays alive and unchanged; if it is
  /// null, large arrays are copied into their parts.
  OutputArchive(PayloadWriter& writer, std::shared_ptr<const void> owner)
      : PayloadOutput(writer), Base(static_cast<std::streambuf&>(*this), archive_flags), owner_(std::move(owner)) {
    init(archive_flags);
  }

  /// Saves an array of numbers; called by Boost.
  template <class T>
  void save_array(const boost::serialization::array_wrapper<T>& array, unsigned) {
    if constexpr (PlainBytes<T> && !has_only_value_bytes<T>()) {
      if (writer().use() == PayloadWriter::Use::compare) {
        for (const T& element : std::span(array.address(), array.count())) write_comparable(writer(), element);
        return;
      }
    }
    const ByteView bytes(reinterpret_cast<const std::byte*>(array.address()), array.count() * sizeof(T));
    if (bytes.size() < min_part_bytes) return writer().write_bytes(bytes.data(), bytes.size());
    writer().write_part(owner_ ? SharedBytes(owner_, bytes) : SharedBytes(copy_of(bytes)));
  }

  /// Saves a value; called by Boost for each value inside of another.
  template <class T>
  void save_override(T& value) {
    using Value = std::remove_const_t<T>;
    if constexpr (PlainPart<Value> || std::is_same_v<Value, long double>) {
      write_plain_bytes(writer(), value);
    } else if constexpr (WithoutBoost<Value>) {
      save_without_boost(value);
    } else {
      Base::save_override(value);
    }
  }

 private:
  template <class T>
  void save_without_boost(const T& value) {
    if constexpr (is_variant<T>) {
      writer().write(value.index());
      if (!value.valueless_by_exception()) std::visit([this](const auto& alternative) { *this << alternative; }, value);
    } else if constexpr (is_tuple<T>) {
      std::apply([this](const auto&... element) { (void)(*this << ... << element); }, value);
    } else {
      const bool present = static_cast<bool>(value);
      writer().write(present);
      if (present) *this << *value;
    }
  }

  std::shared_ptr<const void> owner_;
};

/// Boost's binary archive for payloads that OutputArchive has written.
class InputArchive final : private PayloadInput,
                           public boost::archive::binary_iarchive_impl<InputArchive, char, std::char_traits<char>> {
  using Base = boost::archive::binary_iarchive_impl<InputArchive, char, std::char_traits<char>>;

 public:
  /// Reads from `reader`, which must outlive the archive.
  explicit InputArchive(PayloadReader& reader)
      : PayloadInput(reader), Base(static_cast<std::streambuf&>(*this), archive_flags) {
    init(archive_flags);
  }

  /// Loads an array of numbers; called by Boost. Throws SerializationError if its size differs from what was saved.
  template <class T>
  void load_array(boost::serialization::array_wrapper<T>& array, unsigned) {
    const std::size_t size = array.count() * sizeof(T);
    if (size == 0) return;
    const ByteView bytes = size < min_part_bytes ? reader().read_bytes(size) : reader().read_part().view();
    if (bytes.size() != size) throw SerializationError("a large array has another size than its value says");
    std::memcpy(array.address(), bytes.data(), size);
  }

  /// Loads a value; called by Boost for each value inside of another.
  template <class T>
  void load_override(T& value) {
    if constexpr (PlainPart<T>) {
      value = reader().template read<T>();
    } else if constexpr (WithoutBoost<T>) {
      load_without_boost(value);
    } else {
      Base::load_override(value);
    }
  }

 private:
  template <class... T>
  void load_without_boost(std::variant<T...>& value) {
    const auto index = reader().read<std::size_t>();
    load_alternative(value, index, std::index_sequence_for<T...>{});
  }
  template <class... T>
  void load_without_boost(std::tuple<T...>& value) {
    std::apply([this](auto&... element) { (void)(*this >> ... >> element); }, value);
  }
  template <class T>
  void load_without_boost(std::optional<T>& value) {
    value.reset();
    if (!reads_presence()) return;
    if constexpr (std::is_const_v<T>) {
      value.emplace(read_value<T>());
    } else {
      *this >> value.emplace();
    }
  }
  template <class T>
  void load_without_boost(std::unique_ptr<T>& value) {
    value.reset();
    if (!reads_presence()) return;
    auto read = std::make_unique<std::remove_const_t<T>>();
    *this >> *read;
    value = std::move(read);
  }

  template <class Variant, std::size_t... index>
  void load_alternative(Variant& value, std::size_t wanted, std::index_sequence<index...>) {
    const bool found = ((index == wanted && (load_into_alternative<index>(value), true)) || ...);
    if (!found && wanted != std::variant_npos) throw SerializationError("a variant has no alternative with its index");
  }

  template <std::size_t index, class Variant>
  void load_into_alternative(Variant& value) {
    using Alternative = std::variant_alternative_t<index, Variant>;
    if constexpr (std::is_const_v<Alternative>) {
      value.template emplace<index>(read_value<Alternative>());
    } else {
      *this >> value.template emplace<index>();
    }
  }

  /// Returns a value for a place that cannot be filled, because it is const.
  template <class T>
  std::remove_const_t<T> read_value() {
    std::remove_const_t<T> value{};
    *this >> value;
    return value;
  }

  [[nodiscard]] bool reads_presence() { return reader().read<char>() != 0; }
};

}  // namespace joblib_mpi::detail

BOOST_SERIALIZATION_REGISTER_ARCHIVE(joblib_mpi::detail::OutputArchive)
BOOST_SERIALIZATION_USE_ARRAY_OPTIMIZATION(joblib_mpi::detail::OutputArchive)
BOOST_SERIALIZATION_REGISTER_ARCHIVE(joblib_mpi::detail::InputArchive)
BOOST_SERIALIZATION_USE_ARRAY_OPTIMIZATION(joblib_mpi::detail::InputArchive)
