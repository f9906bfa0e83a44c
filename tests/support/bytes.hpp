#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace joblib_mpi::test {

inline constexpr std::size_t megabyte = std::size_t{1} << 20;

[[nodiscard]] inline Bytes bytes(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

[[nodiscard]] inline std::string text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline SharedBytes part(std::string_view text) {
  return SharedBytes(bytes(text));
}

/// Returns whether both have the same bytes, in one call: tests are compiled without optimization.
[[nodiscard]] inline bool same_bytes(ByteView one, ByteView other) {
  return one.size() == other.size() && (one.empty() || std::memcmp(one.data(), other.data(), one.size()) == 0);
}

/// Returns whether there is no byte but `value`.
[[nodiscard]] inline bool has_only(ByteView bytes, char value) {
  return bytes.empty() ||
         (bytes.front() == std::byte(value) && same_bytes(bytes.subspan(1), bytes.first(bytes.size() - 1)));
}

/// Returns `size` bytes that depend on `seed` and position, so that a shift or a swap is noticed.
[[nodiscard]] inline Bytes pattern(std::size_t size, std::size_t seed) {
  constexpr std::size_t period = std::size_t{251} * 256;
  Bytes result(size);
  for (std::size_t index = 0; index < std::min(size, period); ++index) {
    result[index] = static_cast<std::byte>((index * 131 + index / 251 + seed * 17) & 0xff);
  }
  for (std::size_t index = period; index < size; index += period) {
    std::memcpy(&result[index], result.data(), std::min(period, size - index));
  }
  return result;
}

[[nodiscard]] inline bool is_pattern(ByteView bytes, std::size_t size, std::size_t seed) {
  return bytes.size() == size && same_bytes(bytes, pattern(size, seed));
}

}  // namespace joblib_mpi::test
