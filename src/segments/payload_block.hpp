#pragma once

#include "core/receive_memory.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace joblib_mpi {

// A payload in one block of memory: the head and then the parts, each at a multiple of `part_alignment` from the
// beginning of the block. This is how a node keeps a shared object, and how a client lends one.

/// The sizes of a payload's head and of its parts, in bytes and in this order.
using PartBytes = std::vector<std::uint64_t>;

[[nodiscard]] PartBytes part_bytes_of(const Payload& value);
/// Returns a part by its number; the head is number 0.
[[nodiscard]] ByteView part_of(const Payload& value, std::size_t number);

/// Returns the size of a block that holds a head and parts of these sizes. Their sum must be a number of bytes.
[[nodiscard]] std::size_t block_bytes(std::span<const std::uint64_t> part_bytes);
/// Returns the payload in `block`, whose memory `owner` keeps. Throws SerializationError if a block with such parts has
/// another size, or if the head has none.
[[nodiscard]] Payload payload_in(const std::shared_ptr<const void>& owner, ByteView block,
                                 std::span<const std::uint64_t> part_bytes);
/// Returns the block in which the parts of the payload lie; empty if they lie in none. Whether it begins with the head
/// is not looked at, nor whether there is such memory.
[[nodiscard]] ByteView block_around(const Payload& value);

}  // namespace joblib_mpi
