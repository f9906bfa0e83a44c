#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <boost/archive/binary_iarchive_impl.hpp>
#include <boost/archive/binary_oarchive_impl.hpp>
#include <boost/archive/detail/register_archive.hpp>
#include <boost/archive/impl/archive_serializer_map.ipp>
#include <boost/archive/impl/basic_binary_iarchive.ipp>
#include <boost/archive/impl/basic_binary_iprimitive.ipp>
#include <boost/archive/impl/basic_binary_oarchive.ipp>
#include <boost/archive/impl/basic_binary_oprimitive.ipp>
#include <boost/serialization/array_wrapper.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <streambuf>
#include <utility>

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

/// Boost's binary archive, except that large arrays of numbers anywhere in the value become parts of the payload.
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
    const ByteView bytes(reinterpret_cast<const std::byte*>(array.address()), array.count() * sizeof(T));
    if (bytes.size() < min_part_bytes) return writer().write_bytes(bytes.data(), bytes.size());
    writer().write_part(owner_ ? SharedBytes(owner_, bytes) : SharedBytes(copy_of(bytes)));
  }

 private:
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
};

}  // namespace joblib_mpi::detail

BOOST_SERIALIZATION_REGISTER_ARCHIVE(joblib_mpi::detail::OutputArchive)
BOOST_SERIALIZATION_USE_ARRAY_OPTIMIZATION(joblib_mpi::detail::OutputArchive)
BOOST_SERIALIZATION_REGISTER_ARCHIVE(joblib_mpi::detail::InputArchive)
BOOST_SERIALIZATION_USE_ARRAY_OPTIMIZATION(joblib_mpi::detail::InputArchive)
