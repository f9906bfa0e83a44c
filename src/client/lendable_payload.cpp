#include "client/lendable_payload.hpp"

#include "client/borrowed_memory.hpp"
#include "client/lent_memory.hpp"

#include <cstddef>
#include <exception>
#include <utility>

namespace joblib_mpi {

void make_lendable(Payload& value, SegmentPool& pool) {
  for (SharedBytes& part : value.parts) {
    if (part.size() < LentMemory::least_bytes) continue;
    try {
      ReceiveMemory::Block block = pool.allocate_to_share(part.size());
      pool.write(block.bytes, part.view());
      part = {std::move(block.owner), block.bytes};
    } catch (const std::exception&) {  // the bytes go over the connection
      return;
    }
  }
}

SharedBytes lendable_block(const Payload& value, const PartBytes& part_bytes, SegmentPool& pool) {
  const std::size_t bytes = block_bytes(part_bytes);
  if (bytes < BorrowedMemory::least_adopted_bytes) return {};
  try {
    ReceiveMemory::Block block = pool.allocate_for_node(bytes);
    std::size_t offset = 0;
    for (std::size_t part = 0; part < part_bytes.size(); ++part) {
      pool.write(block.bytes.subspan(offset, part_bytes[part]), part_of(value, part));
      offset += aligned(part_bytes[part]);
    }
    pool.seal(block.bytes);
    return {std::move(block.owner), block.bytes};
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace joblib_mpi
