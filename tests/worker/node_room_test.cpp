#include "worker/node_room.hpp"

#include "support/catch.hpp"

using namespace joblib_mpi;
using namespace std::chrono_literals;

namespace {

/// A node whose memory and clock are the test's.
struct Node {
  std::uint64_t left = 8000;
  NodeRoom room{[this] { return left; }};
  NodeRoom::TimePoint now{1h};

  std::optional<std::uint64_t> news(std::chrono::milliseconds later, bool holds_objects = true) {
    return room.news(now += later, holds_objects);
  }
};

}  // namespace

TEST_CASE("rank 0 learns at the first look how much memory a node has left, whether it holds objects or not") {
  CHECK(Node().news(0ms, false) == 8000);
  CHECK(Node().news(0ms, true) == 8000);
}

TEST_CASE("rank 0 learns when the memory of a node with objects has changed by more than an eighth") {
  Node node;
  REQUIRE(node.news(0ms));
  node.left = 7000;
  CHECK_FALSE(node.news(100ms));
  node.left = 6999;
  CHECK(node.news(100ms) == 6999);
  node.left = 7900;
  CHECK(node.news(100ms) == 7900);
  node.left = 0;
  CHECK(node.news(100ms) == 0);
  CHECK_FALSE(node.news(100ms));
  node.left = 1;
  CHECK(node.news(100ms) == 1);
}

TEST_CASE("a node looks at its memory every 50 ms, and not without objects") {
  Node node;
  REQUIRE(node.news(0ms));
  node.left = 10;
  CHECK_FALSE(node.news(49ms));
  CHECK_FALSE(node.news(1000ms, false));
  CHECK(node.news(0ms, true) == 10);
}

TEST_CASE("a worker that comes back tells again what rank 0 has forgotten") {
  Node node;
  REQUIRE(node.news(0ms));
  node.room.begin_again();
  CHECK(node.news(0ms, false) == 8000);
}
