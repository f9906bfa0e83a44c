#pragma once

#include "segments/payload_block.hpp"
#include "segments/segment_pool.hpp"
#include <joblib_mpi/detail/payload.hpp>

namespace joblib_mpi {

/// Moves the large parts of a payload to memory of the pool, from which LentMemory lends them, if there is room.
void make_lendable(Payload& value, SegmentPool& pool);

/// Returns a copy of a large object as one block of the pool's memory for the node, which rank 0's node can keep as it
/// is; nothing if the object is small, or if there is no room. `part_bytes` are the sizes of its parts.
[[nodiscard]] SharedBytes lendable_block(const Payload& value, const PartBytes& part_bytes, SegmentPool& pool);

}  // namespace joblib_mpi
