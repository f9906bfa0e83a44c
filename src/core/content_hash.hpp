#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace joblib_mpi {

/// 128 bits (xxHash3) that tell contents apart; not for contents that somebody chooses to deceive.
using ContentHash = std::array<std::byte, 16>;

/// The same on every machine.
[[nodiscard]] ContentHash content_hash(std::span<const std::byte> bytes);

}  // namespace joblib_mpi
