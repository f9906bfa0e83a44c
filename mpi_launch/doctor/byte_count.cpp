#include "doctor/byte_count.hpp"

#include <array>
#include <cstdio>

namespace joblib_mpi::launch {

std::string in_words(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text.data();
}

}  // namespace joblib_mpi::launch
