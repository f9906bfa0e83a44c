#include "segments/payload_block.hpp"

#include <joblib_mpi/error.hpp>

#include <numeric>

namespace joblib_mpi {

PartBytes part_bytes_of(const Payload& value) {
  PartBytes part_bytes{value.packed().size()};
  for (const SharedBytes& part : value.parts) part_bytes.push_back(part.size());
  return part_bytes;
}

ByteView part_of(const Payload& value, std::size_t number) {
  return number == 0 ? value.packed() : value.parts[number - 1].view();
}

std::size_t block_bytes(std::span<const std::uint64_t> part_bytes) {
  return std::accumulate(part_bytes.begin(), part_bytes.end(), std::size_t{0},
                         [](std::size_t total, std::uint64_t bytes) { return total + aligned(bytes); });
}

Payload payload_in(const std::shared_ptr<const void>& owner, ByteView block,
                   std::span<const std::uint64_t> part_bytes) {
  const auto take = [&block, &owner](std::uint64_t bytes) -> SharedBytes {
    // Any number may have come from another process, so the first comparison is for the sake of the second.
    if (bytes > block.size() || aligned(bytes) > block.size()) {
      throw SerializationError("a shared object is larger than its block of memory");
    }
    const ByteView part = block.first(bytes);
    block = block.subspan(aligned(bytes));
    return {owner, part};
  };
  if (part_bytes.empty()) throw SerializationError("a shared object has no head");
  Payload value;
  value.set_packed(take(part_bytes.front()));
  for (const std::uint64_t bytes : part_bytes.subspan(1)) value.parts.push_back(take(bytes));
  if (!block.empty()) throw SerializationError("a shared object is smaller than its block of memory");
  return value;
}

ByteView block_around(const Payload& value) {
  const PartBytes part_bytes = part_bytes_of(value);
  const std::byte* begin = nullptr;
  std::size_t offset = aligned(part_bytes.front());
  for (const SharedBytes& part : value.parts) {
    if (part.size() > 0) {
      if (begin == nullptr) begin = part.view().data() - offset;
      if (part.view().data() != begin + offset) return {};
    }
    offset += aligned(part.size());
  }
  if (begin == nullptr) return {};
  return {begin, offset};
}

}  // namespace joblib_mpi
