#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
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

/// Returns `size` bytes that depend on `seed` and position, so that a shift or a swap is noticed.
[[nodiscard]] inline Bytes pattern(std::size_t size, std::size_t seed) {
  Bytes result(size);
  for (std::size_t index = 0; index < size; ++index) {
    result[index] = static_cast<std::byte>((index * 131 + index / 251 + seed * 17) & 0xff);
  }
  return result;
}

[[nodiscard]] inline bool is_pattern(ByteView bytes, std::size_t size, std::size_t seed) {
  if (bytes.size() != size) return false;
  for (std::size_t index = 0; index < size; ++index) {
    if (bytes[index] != static_cast<std::byte>((index * 131 + index / 251 + seed * 17) & 0xff)) return false;
  }
  return true;
}

}  // namespace joblib_mpi::test
