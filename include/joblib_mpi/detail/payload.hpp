#pragma once

#include <joblib_mpi/detail/array_layout.hpp>
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi {

namespace detail {
/// Leaves trivial elements uninitialised, so that a receive buffer is not written twice.
template <class T>
struct UninitializedAllocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = UninitializedAllocator<U>;
  };
  template <class U, class... Args>
  void construct(U* place, Args&&... args) {
    if constexpr (sizeof...(Args) == 0) {
      ::new (static_cast<void*>(place)) U;
    } else {
      ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
    }
  }
};
}  // namespace detail

/// Memory for bytes; resizing it leaves new bytes uninitialised.
using Bytes = std::vector<std::byte, detail::UninitializedAllocator<std::byte>>;

}  // namespace joblib_mpi

// Compiled with the library: what is compiled without optimization would visit each byte of a large array.
extern template class std::vector<std::byte, joblib_mpi::detail::UninitializedAllocator<std::byte>>;

namespace joblib_mpi {

/// A view of bytes that another object owns.
using ByteView = std::span<const std::byte>;

/// Returns a copy of `bytes`, made by memcpy: with this allocator, `assign` and the constructor from a range copy byte
/// by byte.
[[nodiscard]] inline Bytes copy_of(ByteView bytes) {
  Bytes copy(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return copy;
}

/// Immutable memory that lives until the last copy of this object is destroyed.
class SharedBytes {
 public:
  /// Makes an empty view without an owner.
  SharedBytes() = default;
  /// Refers to `bytes`, which `owner` keeps alive and unchanged.
  SharedBytes(std::shared_ptr<const void> owner, ByteView bytes) : owner_(std::move(owner)), bytes_(bytes) {}
  /// Takes over `bytes` and owns them.
  explicit SharedBytes(Bytes bytes) {
    auto owner = std::make_shared<const Bytes>(std::move(bytes));
    bytes_ = *owner;
    owner_ = std::move(owner);
  }

  /// Returns the bytes; valid as long as this object or a copy of it lives.
  [[nodiscard]] ByteView view() const noexcept { return bytes_; }
  /// Returns the number of bytes.
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  /// Returns the owner of the bytes; null if there is none.
  [[nodiscard]] const std::shared_ptr<const void>& owner() const noexcept { return owner_; }

 private:
  std::shared_ptr<const void> owner_;
  ByteView bytes_;
};

/// Bytes that lie in the object itself while they are few, as the arguments and the result of a small task are, and so
/// need no allocation. g++ 12 takes moves of Boost's small_vector of bytes for overflows.
class PackedBytes {
 public:
  PackedBytes() = default;
  /// Copies `bytes`.
  PackedBytes(ByteView bytes) { append(bytes); }
  /// Copies `bytes`.
  PackedBytes(const Bytes& bytes) : PackedBytes(ByteView(bytes)) {}

  /// Appends a copy of `bytes`.
  void append(ByteView bytes) {
    if (bytes.empty()) return;
    if (size() + bytes.size() <= few_.size()) {
      std::memcpy(few_.data() + n_few_, bytes.data(), bytes.size());
      n_few_ += bytes.size();
      return;
    }
    if (many_.empty()) many_ = copy_of({few_.data(), std::exchange(n_few_, 0)});
    const std::size_t position = many_.size();
    many_.resize(position + bytes.size());
    std::memcpy(many_.data() + position, bytes.data(), bytes.size());
  }
  /// Returns the bytes; valid until this object changes or moves.
  [[nodiscard]] ByteView view() const noexcept { return many_.empty() ? ByteView(few_).first(n_few_) : many_; }
  /// Returns the bytes as `view` does.
  operator ByteView() const noexcept { return view(); }
  [[nodiscard]] const std::byte* data() const noexcept { return view().data(); }
  [[nodiscard]] std::size_t size() const noexcept { return n_few_ + many_.size(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  friend bool operator==(const PackedBytes& a, const PackedBytes& b) noexcept {
    return std::ranges::equal(a.view(), b.view());
  }

 private:
  std::array<std::byte, 64> few_{};
  std::size_t n_few_ = 0;
  Bytes many_;  // all of them, once there are more than fit into `few_`
};

/// The size in bytes from which an array becomes a part, and from which a head travels as parts do. Smaller ones are
/// copied into the head or the message, which saves a message. Chosen, not measured.
inline constexpr std::size_t min_part_bytes = 64 * 1024;

/// A serialized value: a head, and the large arrays of the value beside it, which travel without being packed.
struct Payload {
  PackedBytes head;                ///< the small values, packed; empty if there is a long head
  std::vector<SharedBytes> parts;  ///< the large arrays, in the order of writing
  bool on_disk = false;        ///< true if read from a file; the parts are the file's pages unless it was compressed
  bool read_only = false;      ///< true if the memory of the parts must not be written to
  SharedBytes long_head = {};  ///< in place of `head` if that is long: a long text, for instance; shared, not copied

  /// Returns the small values, packed, wherever they are.
  [[nodiscard]] ByteView packed() const noexcept { return long_head.size() > 0 ? long_head.view() : head.view(); }
  /// Turns a head of at least `min_part_bytes` into a long head, without copying it.
  void share_long_head() {
    if (head.size() >= min_part_bytes) share_head();
  }
  /// Turns a head of any size into a long head, without copying it if it is long.
  void share_head() {
    const auto owner = std::make_shared<const PackedBytes>(std::exchange(head, {}));
    long_head = SharedBytes(owner, owner->view());
  }
  /// Sets the small values to `bytes`, which are copied if they are short.
  void set_packed(const SharedBytes& bytes) {
    head = bytes.size() < min_part_bytes ? PackedBytes(bytes.view()) : PackedBytes();
    long_head = bytes.size() < min_part_bytes ? SharedBytes() : bytes;
  }

  /// Returns the size of the head and all parts in bytes.
  [[nodiscard]] std::size_t size_bytes() const noexcept {
    std::size_t total = packed().size();
    for (const SharedBytes& part : parts) total += part.size();
    return total;
  }
};

/// Appends values to a payload.
class PayloadWriter {
 public:
  /// The use of the bytes. Those to be compared lack the ones that may differ between equal values, and cannot be
  /// loaded.
  enum class Use { load, compare };

  /// Appends to `payload`; records the layout of each part in `layouts` unless it is null.
  explicit PayloadWriter(Payload& payload, std::vector<ArrayLayout>* layouts = nullptr)
      : payload_(&payload), layouts_(layouts) {}
  /// Appends to `payload` what is to be used in this way.
  PayloadWriter(Payload& payload, Use use) : payload_(&payload), use_(use) {}

  /// Returns the use of the bytes.
  [[nodiscard]] Use use() const noexcept { return use_; }

  /// Appends `size` bytes to the head.
  void write_bytes(const void* data, std::size_t size) {
    payload_->head.append({static_cast<const std::byte*>(data), size});
  }

  /// Appends the bytes of `value` to the head.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void write(const T& value) {
    write_bytes(&value, sizeof value);
  }

  /// Adds a large array without copying it. `element_type` is that of ArrayLayout, empty if unknown.
  void write_part(SharedBytes part, std::string_view element_type = {}, std::uint64_t elements = 0) {
    payload_->parts.push_back(std::move(part));
    if (layouts_ == nullptr) return;
    layouts_->resize(payload_->parts.size());
    if (!element_type.empty()) layouts_->back() = {std::string(element_type), {elements}};
  }

 private:
  Payload* payload_;
  std::vector<ArrayLayout>* layouts_ = nullptr;
  Use use_ = Use::load;
};

/// Reads values in the order in which they were written. Throws SerializationError at the end of the bytes. The bytes
/// must outlive the reader.
class PayloadReader {
 public:
  /// Reads a value from its head and parts; both must outlive the reader.
  PayloadReader(ByteView head, std::span<const SharedBytes> parts) : head_(head), parts_(parts) {}
  /// Reads a value from a payload, which must outlive the reader.
  explicit PayloadReader(const Payload& payload) : PayloadReader(payload.packed(), payload.parts) {
    on_disk_ = payload.on_disk;
  }

  /// Returns a view of the next `size` bytes of the head.
  [[nodiscard]] ByteView read_bytes(std::size_t size) {
    if (size > head_.size()) throw SerializationError("a serialized value ends too early: its type differs here");
    ByteView result = head_.first(size);
    head_ = head_.subspan(size);
    return result;
  }

  /// Returns the next value of the head. `T` must be the type that was written; a bool is checked.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] T read() {
    if constexpr (std::is_same_v<T, bool>) {  // to read any other byte as a bool is undefined
      const auto byte = std::to_integer<unsigned>(read_bytes(1).front());
      if (byte > 1) throw SerializationError("a serialized value has " + std::to_string(byte) + " in place of a bool");
      return byte == 1;
    } else {
      T value;
      std::memcpy(&value, read_bytes(sizeof value).data(), sizeof value);
      return value;
    }
  }

  /// Returns the next part.
  [[nodiscard]] const SharedBytes& read_part() {
    if (parts_.empty()) throw SerializationError("a serialized value lacks a large array: its type differs here");
    const SharedBytes& part = parts_.front();
    parts_ = parts_.subspan(1);
    return part;
  }

  /// Returns the number of unread bytes of the head.
  [[nodiscard]] std::size_t remaining_bytes() const noexcept { return head_.size(); }
  /// Returns the unread rest; its parts are shared, not copied.
  [[nodiscard]] Payload rest() const { return {PackedBytes(head_), {parts_.begin(), parts_.end()}, on_disk_}; }

 private:
  ByteView head_;
  std::span<const SharedBytes> parts_;
  bool on_disk_ = false;
};

}  // namespace joblib_mpi
