#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace joblib_mpi {

/// Returns the text in an array of a fixed size, up to the first zero byte.
template <std::size_t size>
std::string text_of(const std::array<char, size>& text) {
  return {text.data(), strnlen(text.data(), size)};
}

/// Puts a text into an array of zeros; what does not fit before a last zero byte is cut off.
template <std::size_t size>
void set_text(std::array<char, size>& place, std::string_view text) {
  std::copy_n(text.begin(), std::min(text.size(), size - 1), place.begin());
}

}  // namespace joblib_mpi
