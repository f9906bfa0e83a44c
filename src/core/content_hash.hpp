#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace joblib_mpi {

/// A 128-bit hash (xxHash3) that identifies contents. It is not cryptographic: it does not protect against contents
/// that were made to collide.
using ContentHash = std::array<std::byte, 16>;

/// Returns the hash of `bytes`, which is equal on every machine.
[[nodiscard]] ContentHash content_hash(std::span<const std::byte> bytes);

}  // namespace joblib_mpi
