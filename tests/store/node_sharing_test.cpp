// Tests of what the ranks of a node share.
#include "segments/payload_block.hpp"
#include "store/node_store.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/loopback_transport.hpp"
#include "support/open_files.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// The answer that a pool gets when it asks for memory of this machine.
struct Room {
  std::shared_ptr<std::uint64_t> bytes = std::make_shared<std::uint64_t>(std::uint64_t{1} << 40);

  [[nodiscard]] SegmentSource source() const {
    return {.uses_files = false, .room = [left = bytes] { return MemoryRoom{*left, "a test"}; }};
  }
};

/// A fixture with two nodes of two ranks each: 0 and 1, 2 and 3.
struct TwoNodes {
  static constexpr std::size_t spare_bytes = std::size_t{16} << 20;

  TwoNodes() {
    for (const std::size_t head : {0U, 2U}) {
      SocketPair sockets = make_socket_pair();
      links[head].members.push_back(std::make_unique<NodeLink>(std::move(sockets.first), pools[head]));
      links[head + 1].head = std::make_unique<NodeLink>(std::move(sockets.second), pools[head + 1]);
    }
    for (std::size_t rank = 0; rank < 4; ++rank) {
      stores[rank] = std::make_unique<NodeStore>(*cluster[rank], pools[rank], links[rank]);
    }
  }

  void publish(ObjectId id, Payload value) {
    std::vector<std::uint64_t> sizes{value.head.size()};
    for (const SharedBytes& part : value.parts) sizes.push_back(part.size());
    stores[0]->publish(id, std::move(value));
    for (std::size_t rank = 1; rank < 4; ++rank) stores[rank]->expect(id, sizes);
  }
  /// Makes all ranks progress until none has work left, and longer, for work that is polled less often.
  void progress() {
    for (int turn = 0; turn < 200; ++turn) {
      for (const auto& store : stores) store->progress();
    }
  }
  void drop(ObjectId id) {
    for (const auto& store : stores) store->drop(id);
  }

  Room room;
  std::vector<std::unique_ptr<LoopbackTransport>> cluster = LoopbackTransport::make_cluster(4, {0, 2});
  std::array<SegmentPool, 4> pools{{SegmentPool(spare_bytes, room.source()), SegmentPool(spare_bytes),
                                    SegmentPool(spare_bytes, room.source()), SegmentPool(spare_bytes)}};
  std::array<NodeLinks, 4> links;
  std::array<std::unique_ptr<NodeStore>, 4> stores;
};

constexpr ObjectId object{1};

Payload large_object(std::size_t bytes) {
  return {test::bytes("head"), {SharedBytes(pattern(bytes, 1)), part(""), SharedBytes(pattern(1000, 2))}};
}

void check_large_object(const Payload& value, std::size_t bytes) {
  CHECK(text(value.head) == "head");
  REQUIRE(value.parts.size() == 3);
  CHECK(is_pattern(value.parts[0].view(), bytes, 1));
  CHECK(value.parts[1].size() == 0);
  CHECK(is_pattern(value.parts[2].view(), 1000, 2));
}

/// Memory of another process, in which an object lies as a node keeps it.
struct ForeignObject {
  explicit ForeignObject(const Payload& value) : part_bytes(part_bytes_of(value)) {
    block = pool.allocate_for_node(block_bytes(part_bytes));
    std::size_t offset = 0;
    for (std::size_t part = 0; part < part_bytes.size(); ++part) {
      pool.write(block.bytes.subspan(offset, part_bytes[part]), part_of(value, part));
      offset += aligned(part_bytes[part]);
    }
  }
  /// Returns the object in a segment that `adopting` has adopted.
  [[nodiscard]] Payload adopted_by(SegmentPool& adopting) const {
    const auto place = pool.find(block.bytes).value();
    Descriptor file = another_descriptor(place.segment->descriptor());
    const auto segment = adopting.adopt(std::move(file), place.segment->bytes().size());
    return payload_in(segment, ByteView(segment->bytes()).subspan(place.offset, block.bytes.size()), part_bytes);
  }

  SegmentPool pool;
  PartBytes part_bytes;
  ReceiveMemory::Block block;
};

std::size_t open_files() {
  const auto files = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

}  // namespace

TEST_CASE("an object is once on each node and its other ranks map the node head's memory") {
  TwoNodes nodes;
  nodes.publish(object, large_object(9 * megabyte));
  nodes.progress();
  for (const auto& store : nodes.stores) {
    REQUIRE(store->find(object) != nullptr);
    check_large_object(*store->find(object), 9 * megabyte);
  }
  for (const std::size_t head : {0U, 2U}) {
    CHECK(nodes.stores[head]->stats().segments == 1);
    CHECK(nodes.stores[head + 1]->stats().segments == 0);
    // Both map the same pages: the neighbour reads what the node head writes.
    const auto mine = nodes.stores[head]->find(object)->parts[0].view();
    const auto neighbours = nodes.stores[head + 1]->find(object)->parts[0].view();
    CHECK(mine.data() != neighbours.data());
    const_cast<std::byte&>(mine.front()) = std::byte{7};
    CHECK(neighbours.front() == std::byte{7});
    CHECK(nodes.pools[head + 1].find(neighbours)->segment->access() == Access::read_only);
  }
}

TEST_CASE("an object in memory for the node is not copied there, and is on other nodes") {
  TwoNodes nodes;
  const ForeignObject foreign(large_object(9 * megabyte));
  nodes.publish(object, foreign.adopted_by(nodes.pools[0]));
  nodes.progress();
  for (const auto& store : nodes.stores) {
    REQUIRE(store->find(object) != nullptr);
    check_large_object(*store->find(object), 9 * megabyte);
  }
  CHECK(nodes.pools[0].node_stats().segments == 0);
  CHECK(nodes.stores[0]->stats().segments == 1);
  CHECK(nodes.stores[0]->stats().segment_bytes >= 9 * megabyte);
  CHECK(nodes.stores[1]->stats().segments == 0);
  foreign.block.bytes[aligned(foreign.part_bytes[0])] = std::byte{7};  // of the first part
  CHECK(nodes.stores[1]->find(object)->parts[0].view().front() == std::byte{7});
  CHECK(nodes.stores[2]->find(object)->parts[0].view().front() != std::byte{7});
  nodes.drop(object);
  nodes.progress();
  CHECK(nodes.stores[0]->stats().segments == 0);
  CHECK(nodes.pools[1].adopted_stats().segments == 0);
}

TEST_CASE("an object is copied if its memory is the program's, or begins with another head") {
  TwoNodes nodes;
  ReceiveMemory::Block of_program = nodes.pools[0].allocate_to_share(64 + 2 * megabyte);
  const ForeignObject foreign({bytes("head"), {SharedBytes(pattern(2 * megabyte, 1))}});
  std::memcpy(of_program.bytes.data(), foreign.block.bytes.data(), of_program.bytes.size());
  nodes.publish(ObjectId{1}, payload_in(of_program.owner, of_program.bytes, foreign.part_bytes));
  Payload other_head = foreign.adopted_by(nodes.pools[0]);
  other_head.head = bytes("HEAD");
  nodes.publish(ObjectId{2}, std::move(other_head));
  nodes.progress();
  std::fill(of_program.bytes.begin(), of_program.bytes.end(), std::byte{7});
  std::fill(foreign.block.bytes.begin(), foreign.block.bytes.end(), std::byte{7});
  const std::string heads[] = {"head", "HEAD"};
  for (std::uint64_t id = 1; id <= 2; ++id) {
    const auto value = nodes.stores[1]->find(ObjectId{id});
    REQUIRE(value != nullptr);
    CHECK(text(value->head) == heads[id - 1]);
    CHECK(is_pattern(value->parts.at(0).view(), 2 * megabyte, 1));
  }
}

TEST_CASE("only the node head can write to what it shares") {
  TwoNodes nodes;
  nodes.publish(object, large_object(2 * megabyte));
  nodes.progress();
  const auto view = nodes.stores[3]->find(object)->parts[0].view();
  const auto place = nodes.pools[3].find(view);
  REQUIRE(place);
  CHECK(mmap(nullptr, megabyte, PROT_READ | PROT_WRITE, MAP_SHARED, place->segment->descriptor(), 0) == MAP_FAILED);
  CHECK(pwrite(place->segment->descriptor(), "x", 1, 0) == -1);
  CHECK(ftruncate(place->segment->descriptor(), 0) == -1);
}

TEST_CASE("memory of a dropped object is used for the next once all ranks of the node have let go") {
  TwoNodes nodes;
  nodes.publish(ObjectId{1}, large_object(6 * megabyte));
  nodes.progress();
  const std::byte* const first = nodes.stores[2]->find(ObjectId{1})->parts[0].view().data();
  auto held = nodes.stores[3]->find(ObjectId{1});
  nodes.drop(ObjectId{1});
  nodes.progress();

  nodes.publish(ObjectId{2}, large_object(6 * megabyte));
  nodes.progress();
  CHECK(nodes.stores[2]->find(ObjectId{2})->parts[0].view().data() != first);
  check_large_object(*held, 6 * megabyte);
  held.reset();
  nodes.drop(ObjectId{2});
  nodes.progress();

  CHECK(nodes.stores[2]->stats().objects == 0);
  CHECK(nodes.stores[2]->stats().spare_bytes == nodes.stores[2]->stats().segment_bytes);
  nodes.publish(ObjectId{3}, large_object(6 * megabyte));
  nodes.progress();
  CHECK(nodes.stores[2]->stats().segments == 2);  // none was added
  check_large_object(*nodes.stores[3]->find(ObjectId{3}), 6 * megabyte);
}

TEST_CASE("ten thousand small objects take few open files and leave none") {
  TwoNodes nodes;
  nodes.publish(ObjectId{1}, Payload{bytes("x"), {part("small")}});
  nodes.progress();
  const std::size_t before = open_files();
  for (std::uint64_t id = 2; id <= 10'001; ++id) {
    nodes.publish(ObjectId{id}, Payload{bytes("x"), {SharedBytes(pattern(100, id))}});
  }
  nodes.progress();
  CHECK(open_files() < before + 10);
  CHECK(is_pattern(nodes.stores[3]->find(ObjectId{10'001})->parts[0].view(), 100, 10'001));
  for (std::uint64_t id = 1; id <= 10'001; ++id) nodes.drop(ObjectId{id});
  nodes.progress();
  CHECK(nodes.stores[3]->stats().objects == 0);
  CHECK(open_files() < before + 10);
}

TEST_CASE("a node without room refuses an object on all its ranks and the other node has it") {
  TwoNodes nodes;
  *nodes.room.bytes = 100 * megabyte;
  nodes.publish(ObjectId{1}, large_object(30 * megabyte));
  nodes.progress();
  CHECK(nodes.stores[1]->find(ObjectId{1}) != nullptr);

  *nodes.room.bytes = 70 * megabyte;
  nodes.publish(ObjectId{2}, large_object(10 * megabyte));
  nodes.progress();
  for (const std::size_t rank : {1U, 2U, 3U}) {
    CHECK(nodes.stores[rank]->find(ObjectId{2}) == nullptr);
    const auto refusal = nodes.stores[rank]->refusal(ObjectId{2});
    REQUIRE(refusal);
    CHECK(refusal->find("a test has 73400320 bytes left") != std::string::npos);
    CHECK(refusal->find("JOBLIB_MPI_SHARED_FALLBACK=file") != std::string::npos);
  }
  CHECK(nodes.stores[0]->find(ObjectId{2}) != nullptr);  // the program's own object
  nodes.drop(ObjectId{2});
  CHECK_FALSE(nodes.stores[3]->refusal(ObjectId{2}));

  *nodes.room.bytes = 200 * megabyte;
  nodes.publish(ObjectId{3}, large_object(10 * megabyte));
  nodes.progress();
  check_large_object(*nodes.stores[3]->find(ObjectId{3}), 10 * megabyte);
}

TEST_CASE("a rank that may open no more files refuses an object as if there were no room, and takes later ones") {
  TwoNodes nodes;
  nodes.publish(ObjectId{1}, large_object(3 * megabyte));
  while (nodes.stores[2]->find(ObjectId{1}) == nullptr) {
    for (const std::size_t head : {0U, 2U}) nodes.stores[head]->progress();
  }
  {
    const NoMoreFiles limit;
    nodes.progress();
  }
  CHECK(nodes.stores[3]->find(ObjectId{1}) == nullptr);
  const auto refusal = nodes.stores[3]->refusal(ObjectId{1});
  REQUIRE(refusal);
  CHECK(refusal->find("raise the limit of open files (ulimit -n)") != std::string::npos);
  nodes.drop(ObjectId{1});
  nodes.publish(ObjectId{2}, large_object(9 * megabyte));
  nodes.progress();
  REQUIRE(nodes.stores[3]->find(ObjectId{2}) != nullptr);
  check_large_object(*nodes.stores[3]->find(ObjectId{2}), 9 * megabyte);
}

TEST_CASE("an object that is dropped on its way does not stay on any rank") {
  TwoNodes nodes;
  nodes.publish(object, large_object(20 * megabyte));
  nodes.stores[3]->drop(object);
  nodes.stores[0]->drop(object);
  nodes.progress();
  nodes.stores[1]->drop(object);
  nodes.stores[2]->drop(object);
  nodes.progress();
  for (const auto& store : nodes.stores) CHECK(store->find(object) == nullptr);
  for (const std::size_t head : {0U, 2U}) {
    const ObjectStats stats = nodes.stores[head]->stats();
    CHECK(stats.segment_bytes == stats.spare_bytes);
  }
}

TEST_CASE("a rank of a node whose head is gone keeps what it has") {
  TwoNodes nodes;
  nodes.publish(object, large_object(3 * megabyte));
  nodes.progress();
  nodes.stores[2].reset();
  nodes.links[2].members.clear();  // closes the sockets
  NodeStore& orphan = *nodes.stores[3];
  orphan.progress();
  const std::vector<std::uint64_t> sizes{1};
  orphan.expect(ObjectId{2}, sizes);
  CHECK(orphan.end_broadcasts() == std::vector{ObjectId{2}});
  orphan.put(ObjectId{2}, Payload{bytes("2"), {}});
  for (int turn = 0; turn < 100; ++turn) orphan.progress();
  CHECK(text(orphan.find(ObjectId{2})->head) == "2");
  check_large_object(*orphan.find(object), 3 * megabyte);
}

TEST_CASE("a node head gets back what it has lent to a rank that is gone") {
  TwoNodes nodes;
  nodes.publish(object, large_object(3 * megabyte));
  nodes.progress();
  nodes.stores[3].reset();
  nodes.links[3].head.reset();
  nodes.stores[2]->drop(object);
  for (int turn = 0; turn < 100; ++turn) nodes.stores[2]->progress();
  CHECK(nodes.stores[2]->stats().spare_bytes == nodes.stores[2]->stats().segment_bytes);
}

TEST_CASE("objects of a session's next run are not taken for those of the one before") {
  TwoNodes nodes;
  nodes.publish(object, Payload{bytes("old"), {}});
  for (int turn = 0; turn < 10; ++turn) nodes.stores[2]->progress();  // the offer is never accepted
  nodes.stores[2] = std::make_unique<NodeStore>(*nodes.cluster[2], nodes.pools[2], nodes.links[2]);
  nodes.stores[3] = std::make_unique<NodeStore>(*nodes.cluster[3], nodes.pools[3], nodes.links[3]);
  nodes.publish(object, Payload{bytes("new"), {}});
  nodes.progress();
  REQUIRE(nodes.stores[3]->find(object) != nullptr);
  CHECK(text(nodes.stores[3]->find(object)->head) == "new");
}
