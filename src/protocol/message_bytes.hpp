#pragma once

#include "core/frame.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>

namespace joblib_mpi {

// What the formats of messages have in common: a message is its kind and its fields, and its large arrays are parts of
// the frame.

/// Returns the kind of a message: its index in the variant of all messages of that direction.
template <class Variant, class Message, std::size_t index = 0>
constexpr std::uint8_t kind_of() {
  if constexpr (std::is_same_v<std::variant_alternative_t<index, Variant>, Message>) {
    return static_cast<std::uint8_t>(index);
  } else {
    return kind_of<Variant, Message, index + 1>();
  }
}

/// Appends to a frame's body: grows it once by all the bytes that a message needs besides its head, then copies.
class BodyWriter {
 public:
  BodyWriter(Frame& frame, std::size_t size) : frame_(&frame), position_(frame.body.size()) {
    frame.body.resize(position_ + size);
  }

  template <class T>
    requires std::is_trivially_copyable_v<T>
  BodyWriter& operator<<(const T& value) {
    return write(&value, sizeof value);
  }
  BodyWriter& write(const void* data, std::size_t size) {
    if (size != 0) std::memcpy(frame_->body.data() + position_, data, size);
    position_ += size;
    return *this;
  }

 private:
  Frame* frame_;
  std::size_t position_;
};

/// The type in which the numbers of items are written.
using Count = std::uint32_t;

/// Returns the number of bytes of a list of numbers, or of a text.
template <class Numbers>
std::size_t list_bytes(const Numbers& numbers) {
  return sizeof(Count) + numbers.size() * sizeof(typename Numbers::value_type);
}

template <class Numbers>
void write_list(BodyWriter& writer, const Numbers& numbers) {
  writer << static_cast<Count>(numbers.size());
  writer.write(numbers.data(), numbers.size() * sizeof(typename Numbers::value_type));
}

/// Returns the number of bytes of a payload in the body of its frame.
inline std::size_t payload_bytes(const Payload& payload) {
  return sizeof(bool) + sizeof(std::uint64_t) + payload.head.size() + sizeof(Count);
}

/// Writes the head, which becomes a part of the frame if it is long.
inline void write_head(BodyWriter& writer, Frame& frame, const Payload& payload) {
  const bool is_long = payload.long_head.size() > 0;
  writer << is_long << static_cast<std::uint64_t>(payload.head.size());
  writer.write(payload.head.data(), payload.head.size());
  writer << static_cast<Count>(payload.parts.size());
  if (is_long) frame.parts.push_back(payload.long_head);
}

inline void write_payload(BodyWriter& writer, Frame& frame, Payload&& payload) {
  write_head(writer, frame, payload);
  for (SharedBytes& part : payload.parts) frame.parts.push_back(std::move(part));
}

inline void write_payload(BodyWriter& writer, Frame& frame, const Payload& payload) {
  write_head(writer, frame, payload);
  frame.parts.insert(frame.parts.end(), payload.parts.begin(), payload.parts.end());
}

/// Reads a list of numbers, or a text. Throws SerializationError.
template <class List>
List read_list(PayloadReader& reader) {
  const auto count = reader.read<Count>();
  const ByteView bytes = reader.read_bytes(count * sizeof(typename List::value_type));
  List values;
  values.resize(count);
  if (count != 0) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// Appends a message that has only trivially copyable fields.
template <class Variant, class Message>
void append_plain(Frame& frame, const Message& message) {
  BodyWriter(frame, 1 + sizeof message) << kind_of<Variant, Message>() << message;
}

/// Appends a message that has no fields.
template <class Variant, class Message>
void append_kind(Frame& frame) {
  static_assert(std::is_empty_v<Message>);
  BodyWriter(frame, 1) << kind_of<Variant, Message>();
}

/// A payload that has been read, and whether it has its long head or parts from the frame's parts.
struct PayloadInFrame {
  Payload payload;
  bool uses_parts = false;
};
/// Reads what `write_payload` has written; its parts are shared, not copied. Throws SerializationError.
inline PayloadInFrame read_payload(PayloadReader& reader) {
  PayloadInFrame read;
  const auto is_long = reader.read<bool>();
  read.payload.head = reader.read_bytes(reader.read<std::uint64_t>());
  const auto parts = reader.read<Count>();
  if (is_long) read.payload.long_head = reader.read_part();
  for (Count part = 0; part < parts; ++part) read.payload.parts.push_back(reader.read_part());
  read.uses_parts = is_long || parts > 0;
  return read;
}

}  // namespace joblib_mpi
