#include "store/node_store.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/loopback_transport.hpp"

#include <cstdint>
#include <new>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// The stores of rank 0 and of one worker, on two nodes.
struct TwoStores {
  std::vector<std::unique_ptr<LoopbackTransport>> cluster = LoopbackTransport::make_cluster(2);
  SegmentPool root_memory;
  SegmentPool memory;
  NodeLinks none;
  NodeStore root{*cluster[0], root_memory, none};
  NodeStore worker{*cluster[1], memory, none};

  void progress() {
    root.progress();
    worker.progress();
  }
};

constexpr ObjectId some_object{1};

}  // namespace

TEST_CASE("a published object is whole at once on rank 0 and on a worker once it has arrived") {
  TwoStores stores;
  CHECK(stores.root.find(some_object) == nullptr);
  stores.root.publish(some_object, Payload{bytes("head"), {part("first"), part(""), part("third")}});
  CHECK(stores.root.find(some_object) != nullptr);
  CHECK(stores.worker.find(some_object) == nullptr);

  const std::vector<std::uint64_t> sizes{4, 5, 0, 5};
  stores.worker.expect(some_object, sizes);
  stores.progress();
  const auto arrived = stores.worker.find(some_object);
  REQUIRE(arrived != nullptr);
  CHECK(text(arrived->head) == "head");
  REQUIRE(arrived->parts.size() == 3);
  CHECK(text(arrived->parts[0].view()) == "first");
  CHECK(arrived->parts[1].size() == 0);
  CHECK(text(arrived->parts[2].view()) == "third");
}

TEST_CASE("a worker that expects an object first has it once rank 0 publishes") {
  TwoStores stores;
  const std::vector<std::uint64_t> sizes{4};
  stores.worker.expect(some_object, sizes);
  stores.progress();
  CHECK(stores.worker.find(some_object) == nullptr);
  stores.root.publish(some_object, Payload{bytes("late"), {}});
  stores.progress();
  REQUIRE(stores.worker.find(some_object) != nullptr);
  CHECK(text(stores.worker.find(some_object)->head) == "late");
}

TEST_CASE("several objects keep apart") {
  TwoStores stores;
  for (std::uint64_t id = 1; id <= 20; ++id) {
    stores.root.publish(ObjectId{id}, Payload{pattern(id * 10, id), {SharedBytes(pattern(id, id + 1))}});
    const std::vector<std::uint64_t> sizes{id * 10, id};
    stores.worker.expect(ObjectId{id}, sizes);
  }
  stores.progress();
  for (std::uint64_t id = 1; id <= 20; ++id) {
    const auto value = stores.worker.find(ObjectId{id});
    REQUIRE(value != nullptr);
    CHECK(is_pattern(value->head, id * 10, id));
    CHECK(is_pattern(value->parts.at(0).view(), id, id + 1));
  }
}

TEST_CASE("a dropped object is gone but stays valid for who holds it") {
  TwoStores stores;
  stores.root.publish(some_object, Payload{bytes("x"), {}});
  const std::vector<std::uint64_t> sizes{1};
  stores.worker.expect(some_object, sizes);
  stores.progress();
  const auto held = stores.worker.find(some_object);
  stores.root.drop(some_object);
  stores.worker.drop(some_object);
  CHECK(stores.root.find(some_object) == nullptr);
  CHECK(stores.worker.find(some_object) == nullptr);
  REQUIRE(held != nullptr);
  CHECK(text(held->head) == "x");
}

TEST_CASE("rank 0 frees a dropped object only when its broadcast is complete") {
  TwoStores stores;
  auto owner = std::make_shared<const std::string>("large");
  Payload value{bytes("h"), {}};
  value.parts.emplace_back(owner, std::as_bytes(std::span(*owner)));
  stores.root.publish(some_object, std::move(value));
  stores.root.drop(some_object);
  stores.progress();
  CHECK(owner.use_count() == 2);  // the worker has not taken part yet
  const std::vector<std::uint64_t> sizes{1, 5};
  stores.worker.expect(some_object, sizes);
  stores.progress();
  CHECK(owner.use_count() == 1);
}

TEST_CASE("an object that is dropped while it arrives does not stay on the worker") {
  TwoStores stores;
  const std::vector<std::uint64_t> sizes{1};
  stores.worker.expect(some_object, sizes);
  stores.worker.drop(some_object);
  stores.root.publish(some_object, Payload{bytes("x"), {}});
  stores.progress();
  CHECK(stores.worker.find(some_object) == nullptr);
}

TEST_CASE("an object that is announced without a head is refused") {
  TwoStores stores;
  CHECK_THROWS_AS(stores.worker.expect(some_object, {}), SerializationError);
}

TEST_CASE("the parts of an object that arrives lie in one block and each is aligned") {
  TwoStores stores;
  const std::vector<std::uint64_t> sizes{4, 100, 0, 3, 65};
  stores.worker.expect(some_object, sizes);
  stores.root.publish(
      some_object,
      Payload{bytes("head"), {SharedBytes(pattern(100, 1)), part(""), part("abc"), SharedBytes(pattern(65, 2))}});
  stores.progress();
  CHECK(stores.memory.node_stats().segments == 1);
  CHECK(stores.root_memory.node_stats().segments == 0);
  const auto value = stores.worker.find(some_object);
  REQUIRE(value != nullptr);
  REQUIRE(value->parts.size() == 4);
  for (const SharedBytes& part : value->parts) {
    CHECK(reinterpret_cast<std::uintptr_t>(part.view().data()) % 64 == 0);
    CHECK(part.owner() == value->parts[0].owner());
  }
  CHECK(is_pattern(value->parts[0].view(), 100, 1));
  CHECK(text(value->parts[2].view()) == "abc");
  CHECK(is_pattern(value->parts[3].view(), 65, 2));
}

TEST_CASE("when broadcasts end a worker keeps what is whole and names what is not and not dropped") {
  TwoStores stores;
  const std::vector<std::uint64_t> sizes{1};
  stores.root.publish(ObjectId{1}, Payload{bytes("1"), {}});
  for (const std::uint64_t id : {1, 2, 3}) stores.worker.expect(ObjectId{id}, sizes);
  stores.worker.drop(ObjectId{2});
  CHECK(stores.worker.end_broadcasts() == std::vector{ObjectId{3}});
  CHECK(stores.worker.find(ObjectId{1}) != nullptr);
  CHECK(stores.worker.find(ObjectId{3}) == nullptr);
  stores.worker.put(ObjectId{3}, Payload{bytes("3"), {}});
  CHECK(text(stores.worker.find(ObjectId{3})->head) == "3");
  stores.worker.drop(ObjectId{2});  // late and without effect
  stores.worker.drop(ObjectId{3});
  CHECK(stores.worker.find(ObjectId{3}) == nullptr);
}

TEST_CASE("when broadcasts end rank 0 lacks nothing and what it puts later is there") {
  TwoStores stores;
  stores.root.publish(ObjectId{1}, Payload{bytes("1"), {}});
  CHECK(stores.root.end_broadcasts().empty());
  CHECK(stores.root.find(ObjectId{1}) != nullptr);
  stores.root.put(ObjectId{2}, Payload{bytes("2"), {}});
  CHECK(text(stores.root.find(ObjectId{2})->head) == "2");
  stores.progress();
}

TEST_CASE("an object for whose copy an allocation fails is refused with the reason, and the next one arrives") {
  bool fails = true;
  const auto cluster = LoopbackTransport::make_cluster(2);
  SegmentPool root_memory;
  SegmentPool memory(0, {.room = [&fails]() -> MemoryRoom {
                       if (fails) throw std::bad_alloc();
                       return {std::uint64_t{1} << 40, "a test"};
                     }});
  NodeLinks none;
  NodeStore root{*cluster[0], root_memory, none};
  NodeStore worker{*cluster[1], memory, none};
  const std::vector<std::uint64_t> sizes{4, 6'000'000};
  for (const std::uint64_t id : {1, 2}) {
    root.publish(ObjectId{id}, Payload{bytes("head"), {SharedBytes(Bytes(6'000'000))}});
    worker.expect(ObjectId{id}, sizes);
    fails = false;
    root.progress();
    worker.progress();
  }
  REQUIRE(worker.refusal(ObjectId{1}));
  CHECK_THAT(*worker.refusal(ObjectId{1}), contains("bad_alloc"));
  CHECK(worker.find(ObjectId{1}) == nullptr);
  CHECK(worker.find(ObjectId{2}) != nullptr);
}

TEST_CASE("an object that is refused stays so until it is put or dropped") {
  TwoStores stores;
  stores.worker.refuse(some_object, "no room");
  CHECK(stores.worker.refusal(some_object) == "no room");
  CHECK(stores.worker.settled_objects() == std::vector{some_object});
  stores.worker.put(some_object, Payload{bytes("head"), {}});
  CHECK_FALSE(stores.worker.refusal(some_object));
}

TEST_CASE("a long head of an object stays in the memory of the node") {
  TwoStores stores;
  Payload value{pattern(min_part_bytes, 1), {part("a part")}};
  value.share_long_head();
  stores.root.publish(some_object, value);
  const std::vector<std::uint64_t> sizes{min_part_bytes, 6};
  stores.worker.expect(some_object, sizes);
  stores.progress();
  const auto arrived = stores.worker.find(some_object);
  REQUIRE(arrived != nullptr);
  CHECK(is_pattern(arrived->long_head.view(), min_part_bytes, 1));
  CHECK(text(arrived->parts.at(0).view()) == "a part");
}
