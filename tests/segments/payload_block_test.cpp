#include "segments/payload_block.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Returns the value as a block of memory holds it, and its block.
std::pair<Payload, SharedBytes> in_block(const Payload& value) {
  const PartBytes part_bytes = part_bytes_of(value);
  Bytes memory(block_bytes(part_bytes));
  std::size_t offset = 0;
  for (std::size_t part = 0; part < part_bytes.size(); ++part) {
    const ByteView content = part_of(value, part);
    if (!content.empty()) std::memcpy(memory.data() + offset, content.data(), content.size());
    offset += aligned(content.size());
  }
  const SharedBytes block(std::move(memory));
  return {payload_in(block.owner(), block.view(), part_bytes), block};
}

}  // namespace

TEST_CASE("a payload in a block has its head and its parts, which are aligned and not copied") {
  const auto [value, block] = in_block({bytes("head"), {part("first"), part(""), SharedBytes(pattern(1000, 1))}});
  CHECK(block.size() == 64 + 64 + 1024);
  CHECK(text(value.packed()) == "head");
  REQUIRE(value.parts.size() == 3);
  CHECK(text(value.parts[0].view()) == "first");
  CHECK(value.parts[1].size() == 0);
  CHECK(is_pattern(value.parts[2].view(), 1000, 1));
  CHECK(value.parts[2].view().data() == block.view().data() + 128);
  CHECK(value.parts[2].owner() == block.owner());
}

TEST_CASE("a payload without small values begins with its first part") {
  const auto [value, block] = in_block({{}, {part("first")}});
  CHECK(value.packed().empty());
  CHECK(value.parts.at(0).view().data() == block.view().data());
}

TEST_CASE("the block of a payload is found only if all parts are where they belong") {
  const auto [value, block] = in_block({bytes("head"), {part(""), part("second"), part("third")}});
  const ByteView found = block_around(value);
  CHECK(found.data() == block.view().data());
  CHECK(found.size() == block.size());
  Payload moved = value;
  moved.parts[2] = part("third");
  CHECK(block_around(moved).empty());
  CHECK(block_around({bytes("head"), {part("")}}).empty());
  CHECK(block_around({bytes("head"), {}}).empty());
}

TEST_CASE("sizes that do not fill a block exactly are refused, also those whose sum is too large for a number") {
  const SharedBytes block(Bytes(192));
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  for (const PartBytes& sizes : std::vector<PartBytes>{
           {}, {0}, {1, 64}, {1, 64, 65}, {193}, {most}, {64, most - 63, 128}, {64, most / 2 + 1, most / 2 + 1, 128}}) {
    CAPTURE(sizes.size());
    CHECK_THROWS_AS(payload_in(block.owner(), block.view(), sizes), SerializationError);
  }
  CHECK(payload_in(block.owner(), block.view(), PartBytes{64, 0, 128}).parts.size() == 2);
}
