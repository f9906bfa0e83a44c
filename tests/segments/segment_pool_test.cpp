#include "segments/segment_pool.hpp"

#include "core/open_files.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/open_files.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <linux/magic.h>
#include <memory>
#include <set>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

using namespace joblib_mpi;
using joblib_mpi::test::megabyte;

namespace {}  // namespace

TEST_CASE("what is allocated lies in a segment of the pool and other memory does not") {
  SegmentPool pool;
  const auto large = pool.allocate(3 * megabyte);
  const auto small = pool.allocate(100);
  CHECK(large.bytes.size() == 3 * megabyte);
  const auto found = pool.find(ByteView(large.bytes).subspan(1000, 500));
  REQUIRE(found);
  CHECK(found->segment->bytes().data() + found->offset == large.bytes.data() + 1000);
  CHECK(pool.find(small.bytes));
  const Bytes heap(100);
  CHECK_FALSE(pool.find(heap));
}

TEST_CASE("a file that is shorter than the segment it should be is refused") {
  SegmentPool pool;
  CHECK_THROWS_AS(pool.adopt(make_memory_file(megabyte - 1), megabyte), std::system_error);
  CHECK(pool.adopt(make_memory_file(megabyte), megabyte)->bytes().size() == megabyte);
}

TEST_CASE("twenty thousand arrays of 100 KB take few segments") {
  SegmentPool pool;
  std::set<std::uint64_t> segments;
  std::vector<ReceiveMemory::Block> blocks;
  for (int index = 0; index < 20'000; ++index) {
    blocks.push_back(pool.allocate(100'000));
    segments.insert(pool.find(blocks.back().bytes)->segment->id());
  }
  CHECK(segments.size() < 100);
}

TEST_CASE("segments that grew with their number are used again or dropped once all in them was let go") {
  SegmentPool pool(64 * megabyte);
  for (int round = 0; round < 3; ++round) {
    std::vector<ReceiveMemory::Block> blocks;
    for (std::size_t index = 0; index < 300; ++index) {
      blocks.push_back(pool.allocate(megabyte + megabyte / 4 * (index % 8)));
      blocks.back().bytes[0] = static_cast<std::byte>(index);
    }
    for (std::size_t index = 0; index < 300; ++index) CHECK(blocks[index].bytes[0] == static_cast<std::byte>(index));
  }
  CHECK(test::open_memory_files() < 64);
}

TEST_CASE("a process that may open no more files allocates on the heap where that is enough") {
  SegmentPool pool;
  const test::NoMoreFiles limit;
  const auto block = pool.allocate(3 * megabyte);
  CHECK(block.bytes.size() == 3 * megabyte);
  CHECK_FALSE(pool.find(block.bytes));
  CHECK_THROWS_AS(pool.allocate_to_share(3 * megabyte), std::system_error);
}

TEST_CASE("the limit of open files is raised to what the system allows") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit low{std::min<rlim_t>(before.rlim_max, 100), before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  raise_open_file_limit();
  rlimit raised{};
  CHECK(getrlimit(RLIMIT_NOFILE, &raised) == 0);
  CHECK(raised.rlim_cur == std::min<rlim_t>(before.rlim_max, 65536));
  CHECK(raised.rlim_max == before.rlim_max);
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("nothing is allocated for no bytes") {
  SegmentPool pool;
  CHECK(pool.allocate(0).bytes.empty());
}

TEST_CASE("small arrays share a segment without touching each other") {
  SegmentPool pool;
  std::set<std::uint64_t> segments;
  std::vector<ReceiveMemory::Block> blocks;
  for (std::size_t index = 0; index < 100; ++index) {
    blocks.push_back(pool.allocate(70'001));
    CHECK(reinterpret_cast<std::uintptr_t>(blocks.back().bytes.data()) % alignof(std::max_align_t) == 0);
    std::ranges::copy(test::pattern(70'001, index), blocks.back().bytes.begin());
    segments.insert(pool.find(blocks.back().bytes)->segment->id());
  }
  for (std::size_t index = 0; index < 100; ++index) CHECK(test::is_pattern(blocks[index].bytes, 70'001, index));
  CHECK(segments.size() == 2);
}

TEST_CASE("a segment is used again once all in it was let go") {
  SegmentPool pool;
  auto block = pool.allocate(2 * megabyte);
  const std::byte* const place = block.bytes.data();
  auto copy = block.owner;
  block = {};
  CHECK(pool.allocate(2 * megabyte).bytes.data() != place);
  copy.reset();
  CHECK(pool.allocate(2 * megabyte).bytes.data() == place);
}

TEST_CASE("free memory beyond the limit goes back to the system and is counted") {
  SegmentPool pool(8 * megabyte);
  {
    std::vector<ReceiveMemory::Block> blocks;
    for (int index = 0; index < 4; ++index) blocks.push_back(pool.allocate(4 * megabyte));
  }
  CHECK(pool.segments_dropped() == 2);
}

TEST_CASE("free memory gives way when room gets small and before more is taken") {
  auto room = std::make_shared<std::uint64_t>(800 * megabyte);
  SegmentPool pool(1000 * megabyte, {.room = [room] { return MemoryRoom{*room, "a test"}; }});
  const auto leave_spare = [&] {
    std::vector<ReceiveMemory::Block> blocks;
    for (int index = 0; index < 4; ++index) blocks.push_back(pool.allocate_for_node(16 * megabyte));
  };
  leave_spare();
  CHECK(pool.node_stats().spare_bytes == 64 * megabyte);
  *room = 200 * megabyte;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (pool.node_stats().spare_bytes > 25 * megabyte && std::chrono::steady_clock::now() < give_up) pool.give_way();
  CHECK(pool.node_stats().spare_bytes == 16 * megabyte);
  const auto large = pool.allocate_for_node(100 * megabyte);  // an eighth of what is left then is less than a segment
  CHECK(pool.node_stats().spare_bytes == 0);
}

TEST_CASE("what is allocated may outlive the pool") {
  ReceiveMemory::Block block;
  {
    SegmentPool pool;
    block = pool.allocate(megabyte);
  }
  std::ranges::fill(block.bytes, std::byte{1});
  CHECK(std::ranges::count(block.bytes, std::byte{1}) == static_cast<std::ptrdiff_t>(megabyte));
  CHECK_NOTHROW(block = {});
  CHECK(block.bytes.empty());
}

TEST_CASE("what is written to copies of a sealed segment's bytes stays in them") {
  SegmentPool pool;
  const auto block = pool.allocate_for_node(3 * megabyte);
  std::ranges::fill(block.bytes, std::byte{7});
  pool.seal(block.bytes);
  const auto place = pool.find(block.bytes);
  REQUIRE(place);
  for (const std::size_t offset : {std::size_t{0}, std::size_t{64}, std::size_t{4096}, megabyte + 5}) {
    const SharedBytes first = copy_on_write(*place->segment, place->offset + offset, 10'000);
    const SharedBytes second = copy_on_write(*place->segment, place->offset + offset, 10'000);
    auto* const memory = const_cast<std::byte*>(first.view().data());
    CHECK(std::ranges::count(first.view(), std::byte{7}) == 10'000);
    std::fill_n(memory, first.size(), std::byte{8});
    CHECK(std::ranges::count(first.view(), std::byte{8}) == 10'000);
    CHECK(std::ranges::count(second.view(), std::byte{7}) == 10'000);
  }
  CHECK(std::ranges::count(block.bytes, std::byte{7}) == static_cast<std::ptrdiff_t>(block.bytes.size()));
}

TEST_CASE("a segment that is said to be larger than its file is refused, not touched") {
  constexpr std::size_t bytes = 4096;
  CHECK_NOTHROW(Mapping(make_memory_file(bytes), bytes, Access::read_only));
  CHECK_THROWS_AS(Mapping(make_memory_file(bytes), bytes + 1, Access::read_only), std::system_error);
  SegmentPool pool;
  CHECK_THROWS_AS(pool.adopt(make_memory_file(bytes), 2 * bytes), std::system_error);
}

TEST_CASE("large memory for one process is a file where there is no room, and refused where there is no file either") {
  int questions = 0;
  const auto short_of_room = [&questions] {
    ++questions;
    return MemoryRoom{70 * megabyte, "a test"};
  };
  // The working directory of the tests is on a disk.
  SegmentPool pool(0, {.folder = ".", .room = short_of_room});
  CHECK(pool.allocate(3 * megabyte).bytes.size() == 3 * megabyte);
  CHECK(questions == 0);
  {
    const auto in_a_file = pool.allocate(20 * megabyte);
    CHECK(questions == 1);
    const auto place = pool.find(in_a_file.bytes);
    REQUIRE(place);
    struct statfs system {};
    REQUIRE(fstatfs(place->segment->descriptor(), &system) == 0);
    CHECK(system.f_type != TMPFS_MAGIC);
  }
  SegmentPool without_files(0, {.uses_files = false, .room = short_of_room});
  CHECK_THROWS_AS(without_files.allocate(20 * megabyte), NoRoomError);
  CHECK_THROWS_AS(without_files.allocate_to_share(20 * megabyte), NoRoomError);
}

TEST_CASE("what a forked process writes into shared memory is its own") {
  SegmentPool pool;
  const auto block = pool.allocate(megabyte);
  std::ranges::fill(block.bytes, std::byte{1});
  const auto [segment, offset] = *pool.find(block.bytes);
  const bool sealed = GENERATE(false, true);
  if (sealed) segment->seal();
  const Segment elsewhere(segment->id() + 1000, another_descriptor(segment->descriptor()), segment->bytes().size(),
                          Access::read_only);

  const pid_t child = fork();
  if (child == 0) {
    const bool as_before = block.bytes.front() == std::byte{1} && block.bytes.back() == std::byte{1};
    std::ranges::fill(block.bytes, std::byte{2});
    _exit(as_before && block.bytes.back() == std::byte{2} ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(std::ranges::count(block.bytes, std::byte{1}) == megabyte);
  block.bytes.front() = std::byte{3};
  CHECK(elsewhere.bytes()[offset] == std::byte{3});  // this process shares it as before
}
