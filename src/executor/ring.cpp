#include "executor/ring.hpp"

#include <cassert>
#include <cstring>

namespace joblib_mpi {

std::span<std::byte> Ring::reserve(std::size_t bytes) noexcept {
  assert(bytes > 0 && bytes <= max_message_bytes);
  std::uint64_t begin = written_.load(std::memory_order_relaxed);
  const std::size_t to_end = capacity_bytes - begin % capacity_bytes;
  const bool wraps = to_end < place_bytes(bytes);
  const std::uint64_t end = begin + (wraps ? to_end : 0) + place_bytes(bytes);
  if (end - read_.load(std::memory_order_acquire) > capacity_bytes) return {};
  if (wraps) {
    const Header header{wrap, 0};
    std::memcpy(bytes_.data() + begin % capacity_bytes, &header, sizeof header);
    begin += to_end;
  }
  const Header header{static_cast<std::uint32_t>(bytes), 0};
  std::byte* const place = bytes_.data() + begin % capacity_bytes;
  std::memcpy(place, &header, sizeof header);
  reserved_end_ = end;
  return {place + alignment, bytes};
}

void Ring::publish() noexcept {
  written_.store(reserved_end_, std::memory_order_release);
}

ByteView Ring::front() const {
  const std::uint64_t written = written_.load(std::memory_order_acquire);
  std::uint64_t begin = read_.load(std::memory_order_relaxed);
  if (begin == written) return {};
  const auto header_at = [this](std::uint64_t position) {
    Header header{};
    std::memcpy(&header, bytes_.data() + position % capacity_bytes, sizeof header);
    return header;
  };
  Header header = header_at(begin);
  if (header.bytes == wrap) {
    begin += capacity_bytes - begin % capacity_bytes;
    header = header_at(begin);
  }
  const std::uint64_t end = begin + place_bytes(header.bytes);
  if (header.bytes > max_message_bytes || end > written || begin % capacity_bytes + end - begin > capacity_bytes) {
    throw SerializationError("the memory that an executor process shares with its rank was overwritten");
  }
  front_end_ = end;
  return ByteView(bytes_).subspan(begin % capacity_bytes + alignment, header.bytes);
}

void Ring::pop() noexcept {
  assert(front_end_ > read_.load(std::memory_order_relaxed));
  read_.store(front_end_, std::memory_order_release);
}

void Ring::clear() noexcept {
  written_ = 0;
  read_ = 0;
}

}  // namespace joblib_mpi
