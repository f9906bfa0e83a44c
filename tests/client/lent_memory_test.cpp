#include "client/lent_memory.hpp"

#include "client/frame_link.hpp"
#include "segments/mapped_files.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/open_files.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <utility>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::size_t large = LentMemory::least_bytes;

/// Returns memory of the pool that has one value everywhere.
SharedBytes filled_with(SegmentPool& pool, char value, std::size_t size = large) {
  ReceiveMemory::Block block = pool.allocate_to_share(size);
  std::fill(block.bytes.begin(), block.bytes.end(), std::byte(value));
  return {std::move(block.owner), block.bytes};
}

/// Two ends of a connection within this machine, which this process moves.
struct LendingEnds {
  SegmentPool pool;
  SegmentPool pool_there;
  int returned = 0;  // how often there has been something to return
  std::optional<FrameLink> here{std::in_place};
  std::optional<FrameLink> there{std::in_place};

  /// The other end adopts large parts if `adopts`.
  explicit LendingEnds(bool adopts = false) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    here->connect(Descriptor(ends[0]), 0, 0, {&pool});
    there->connect(Descriptor(ends[1]), 0, 0, {&pool_there, [this] { ++returned; }, adopts ? &pool_there : nullptr});
  }
  /// Sends a frame to the other end, and returns it as it arrives.
  Frame arrived(std::vector<SharedBytes> parts) {
    here->send({bytes("x"), std::move(parts)});
    std::optional<Frame> frame;
    while (!frame && here->connected() && there->connected()) {
      here->write();
      if (there->read()) frame = there->receive();
    }
    return frame ? std::move(*frame) : Frame();
  }
  /// Lets the other end say what it has to say, also that frames have arrived.
  void hear_from_there() {
    constexpr std::chrono::hours later{1};
    for (const auto now : {FrameLink::Clock::time_point(later), FrameLink::Clock::time_point(2 * later)}) {
      there->attend(now);
    }
    there->write();
    while (here->read()) CHECK_FALSE(here->receive());
  }
};

}  // namespace

TEST_CASE("a large part in shared memory is mapped by the other end, which may write to it") {
  LendingEnds ends;
  SharedBytes part = filled_with(ends.pool, 'a', 2 * large);
  const ByteView original = part.view();
  const std::weak_ptr<const void> owner = part.owner();
  Frame frame = ends.arrived({std::exchange(part, {}), SharedBytes(Bytes(large, std::byte{'b'}))});
  REQUIRE(frame.parts.size() == 2);
  CHECK(has_only(frame.parts[0].view(), 'a'));
  CHECK(has_only(frame.parts[1].view(), 'b'));  // from the heap, as bytes
  const_cast<std::byte&>(frame.parts[0].view().front()) = std::byte{'c'};
  CHECK(original.front() == std::byte{'a'});
  ends.hear_from_there();
  CHECK(ends.here->unacknowledged_bytes() == 0);
  CHECK_FALSE(owner.expired());
  CHECK(ends.returned == 0);
  frame.parts.clear();
  CHECK(ends.returned == 1);
  ends.hear_from_there();
  CHECK(owner.expired());
}

TEST_CASE("a large part becomes memory for the node of an end that adopts it, until nothing there uses it") {
  LendingEnds ends(true);
  constexpr std::size_t size = BorrowedMemory::least_adopted_bytes;
  const SharedBytes part = filled_with(ends.pool, 'a', 2 * size);
  Frame frame = ends.arrived({part, filled_with(ends.pool, 'b', size - 1)});
  REQUIRE(frame.parts.size() == 2);
  CHECK(has_only(frame.parts[0].view(), 'a'));
  CHECK(has_only(frame.parts[1].view(), 'b'));
  CHECK(ends.pool_there.has_for_node(frame.parts[0].view()));
  CHECK_FALSE(ends.pool_there.has_for_node(frame.parts[1].view()));
  CHECK(ends.pool_there.find(frame.parts[0].view())->segment->access() == Access::read_only);
  const_cast<std::byte&>(part.view().front()) = std::byte{'c'};
  CHECK(frame.parts[0].view().front() == std::byte{'c'});  // the same pages
  CHECK(ends.pool_there.adopted_stats().segments == 1);
  frame.parts.clear();
  CHECK(ends.pool_there.adopted_stats().segments == 0);
  CHECK(ends.returned == 1);  // once for both
}

TEST_CASE("no pool adopts a file that may become shorter, nor so many that open files become few") {
  SegmentPool pool;
  BorrowedMemory borrowed([] {}, &pool);
  constexpr std::size_t size = BorrowedMemory::least_adopted_bytes;
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "file";
  std::ofstream(path).put('a');
  std::filesystem::resize_file(path, size);
  const SharedBytes of_file = borrowed.map(Descriptor(open(path.c_str(), O_RDWR | O_CLOEXEC)), 0, size);
  CHECK(of_file.view().front() == std::byte{'a'});
  CHECK_FALSE(pool.has_for_node(of_file.view()));

  const Descriptor memory = make_memory_file(size);
  std::vector<SharedBytes> parts;
  {
    const OpenFileLimit few(64);
    for (int part = 0; part < 20; ++part) parts.push_back(borrowed.map(memory, 0, size));
  }
  CHECK(pool.adopted_stats().segments == 16);
  CHECK_FALSE(pool.has_for_node(parts.back().view()));
}

TEST_CASE("parts beyond the number of descriptors that may be under way go as bytes") {
  LendingEnds ends;
  std::vector<SharedBytes> parts;
  constexpr std::size_t n_parts = 40;
  for (std::size_t part = 0; part < n_parts; ++part) {
    parts.push_back(filled_with(ends.pool, static_cast<char>('a' + part % 26)));
  }
  std::vector<Frame> frames;
  for (int turn = 0; turn < 12; ++turn) frames.push_back(ends.arrived(parts));  // none of them is acknowledged
  for (const Frame& frame : frames) {
    REQUIRE(frame.parts.size() == n_parts);
    for (std::size_t part = 0; part < n_parts; ++part) {
      CHECK(has_only(frame.parts[part].view(), static_cast<char>('a' + part % 26)));
    }
  }
  frames.clear();
  ends.hear_from_there();
  CHECK(has_only(ends.arrived({parts[1]}).parts.at(0).view(), 'b'));
}

TEST_CASE("memory that was not returned when a connection ends is never used again") {
  LendingEnds ends;
  SharedBytes part = filled_with(ends.pool, 'a');
  Frame frame = ends.arrived({std::exchange(part, {})});
  ends.hear_from_there();
  ends.there.reset();
  CHECK_FALSE(ends.here->read());
  ends.here.reset();
  const SharedBytes next = filled_with(ends.pool, 'b');
  const SharedBytes another = filled_with(ends.pool, 'c', 8 * large);
  CHECK(has_only(frame.parts.at(0).view(), 'a'));
  CHECK(ends.returned == 0);
  frame.parts.clear();  // nothing is told any more
  CHECK(ends.returned == 0);
}

TEST_CASE("a file that is mapped is handed to the other end") {
  LendingEnds ends;
  const Descriptor file = make_memory_file(2 * large);
  const auto mapping = std::make_shared<const Mapping>(file, 2 * large, Access::writable);
  std::fill(mapping->bytes().begin(), mapping->bytes().end(), std::byte{'a'});
  mapping->bytes()[large] = std::byte{'b'};
  MappedFiles& files = MappedFiles::of_process();
  CHECK_FALSE(files.find(mapping->bytes()));
  files.hand_on();
  files.keep(mapping->bytes(), file.get());
  REQUIRE(files.find(mapping->bytes().last(large)));
  CHECK(files.find(mapping->bytes().last(large))->offset == large);
  const std::size_t open_before = open_memory_files();
  const Frame frame = ends.arrived({{mapping, mapping->bytes().last(large)}});
  CHECK(frame.parts.at(0).view().front() == std::byte{'b'});
  CHECK(has_only(frame.parts.at(0).view().subspan(1), 'a'));
  CHECK(open_memory_files() == open_before);  // neither end keeps another descriptor
  files.forget(mapping->bytes());
  CHECK_FALSE(files.find(mapping->bytes()));
}

TEST_CASE("an end that may open no more files says so when a descriptor comes") {
  LendingEnds ends;
  const SharedBytes part = filled_with(ends.pool, 'a');
  const NoMoreFiles limit;
  CHECK(ends.arrived({part}).parts.empty());
  CHECK_FALSE(ends.there->connected());
  CHECK(ends.there->why_gone().find("ulimit -n") != std::string::npos);
}

TEST_CASE("loans that were not made cannot be returned") {
  SegmentPool pool;
  LentMemory lent(pool);
  const SharedBytes part = filled_with(pool, 'a');
  lent.lend(part, lent.place_of(part).value());
  const std::array<std::uint64_t, 1> loans{1};
  lent.end_loans(loans);
  CHECK(lent.size() == 0);
  CHECK_THROWS_AS(lent.end_loans(loans), SerializationError);
}

TEST_CASE("memory is lent as long as the limit of open files is far, and files, of which nothing is kept, always") {
  SegmentPool pool;
  LentMemory lent(pool, 1);
  const SharedBytes part = filled_with(pool, 'a');
  const auto place = lent.place_of(part);
  REQUIRE(place);
  CHECK(place->is_memory);
  lent.lend(part, *place);
  CHECK_FALSE(lent.place_of(part));

  const Descriptor file = make_memory_file(large);
  auto mapping = std::make_shared<const Mapping>(file, large, Access::writable);
  const ByteView bytes = mapping->bytes();
  MappedFiles& files = MappedFiles::of_process();
  files.hand_on();
  files.keep(bytes, file.get());
  SharedBytes mapped(mapping, bytes);
  const std::weak_ptr<const Mapping> kept = std::exchange(mapping, nullptr);
  const auto place_in_file = lent.place_of(mapped);
  REQUIRE(place_in_file);
  CHECK_FALSE(place_in_file->is_memory);
  lent.lend(std::exchange(mapped, {}), *place_in_file);
  files.forget(bytes);
  CHECK(lent.size() == 2);
  CHECK(kept.expired());
}
