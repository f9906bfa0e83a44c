#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace joblib_mpi {

// How a frame is cut into MPI messages: an eager one, then its body if that does not fit, then each part. What follows
// the eager message travels in pieces.

inline constexpr int eager_tag = 1;
inline constexpr int large_tag = 2;

/// The size of an eager message in bytes: together with Open MPI's header of some 30 bytes it stays below Open MPI's
/// eager limit for shared memory, 4096 bytes.
inline constexpr std::size_t eager_bytes = 4000;
using EagerBuffer = std::array<std::byte, eager_bytes>;

/// The first bytes of an eager message. The sizes of the parts and the body come next, there or in a second message.
struct EagerHeader {
  std::uint64_t following_bytes;  // the size of a second message with sizes and body; 0 if they follow this header
  std::uint64_t parts;
};

/// Calls `piece(begin, size)` for each piece of a message of `bytes` bytes.
template <class Piece>
void for_each_piece(std::size_t bytes, std::size_t piece_bytes, Piece&& piece) {
  for (std::size_t begin = 0; begin < bytes; begin += piece_bytes) piece(begin, std::min(piece_bytes, bytes - begin));
}

}  // namespace joblib_mpi
