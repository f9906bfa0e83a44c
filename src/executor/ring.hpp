#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace joblib_mpi {

/// Passes messages from one thread to another, which may be in another process that shares the ring's memory. Each
/// message is contiguous. No function waits. A writer that dies while it writes leaves no trace: a message is visible
/// once it is published.
class Ring {
 public:
  static constexpr std::size_t capacity_bytes = std::size_t{256} << 10;  // chosen, not measured
  /// Limits a message so that it finds contiguous space soon, wherever the ring's end is.
  static constexpr std::size_t max_message_bytes = capacity_bytes / 4;

  // The writer's side.
  /// Returns space for a message of `bytes`, at most `max_message_bytes`; empty if the reader must first take messages.
  [[nodiscard]] std::span<std::byte> reserve(std::size_t bytes) noexcept;
  /// Publishes the message in the space that was reserved last.
  void publish() noexcept;

  // The reader's side.
  [[nodiscard]] bool empty() const noexcept {
    return read_.load(std::memory_order_relaxed) == written_.load(std::memory_order_acquire);
  }
  /// Returns the oldest message, without data if there is none. Throws SerializationError if the writer's process has
  /// overwritten the ring with invalid data.
  [[nodiscard]] ByteView front() const;
  /// Removes the oldest message.
  void pop() noexcept;

  /// Removes all messages. Neither side may use the ring at that time.
  void clear() noexcept;

 private:
  struct Header {
    std::uint32_t bytes;  // the size of the message; or `wrap`
    std::uint32_t padding;
  };
  static constexpr std::uint32_t wrap = 0xffffffff;
  static constexpr std::size_t alignment = alignof(std::max_align_t);
  static_assert(sizeof(Header) <= alignment && capacity_bytes % alignment == 0);

  [[nodiscard]] static constexpr std::uint64_t place_bytes(std::size_t message_bytes) noexcept {
    return alignment + (message_bytes + alignment - 1) / alignment * alignment;
  }

  // Both count bytes since the ring was created or cleared. They are apart so that neither side's writes invalidate the
  // other's cache line.
  alignas(64) std::atomic<std::uint64_t> written_{0};
  std::uint64_t reserved_end_ = 0;
  alignas(64) std::atomic<std::uint64_t> read_{0};
  mutable std::uint64_t front_end_ = 0;
  alignas(64) std::array<std::byte, capacity_bytes> bytes_;
};

}  // namespace joblib_mpi
