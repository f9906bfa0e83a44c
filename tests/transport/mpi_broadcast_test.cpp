#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/transport_on_world.hpp"

#include <deque>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Runs broadcasts of these sizes, all queued before the first is done.
void broadcast_all(const std::vector<std::size_t>& sizes, std::size_t chunk_bytes) {
  TransportOnWorld transport(chunk_bytes);
  std::deque<Bytes> memory;
  for (std::size_t index = 0; index < sizes.size(); ++index) {
    memory.push_back(transport->rank() == 0 ? pattern(sizes[index], index) : Bytes(sizes[index], std::byte{0xee}));
    CHECK(transport->broadcast(memory.back(), nullptr) == index + 1);
  }
  std::size_t done = 0;
  while (transport->broadcasts_done() < sizes.size()) {
    transport->progress();
    CHECK(transport->broadcasts_done() >= done);
    done = transport->broadcasts_done();
    for (std::size_t index = 0; index < done; ++index) {
      if (memory[index].empty()) continue;
      // A completed broadcast must be in memory at once; checking its last byte suffices here.
      CHECK(memory[index].back() == pattern(sizes[index], index).back());
    }
    if (done == sizes.size()) break;
  }
  CHECK(transport->quiet());
  for (std::size_t index = 0; index < sizes.size(); ++index) {
    INFO("broadcast " << index << " of " << sizes[index] << " bytes in chunks of " << chunk_bytes);
    CHECK(is_pattern(memory[index], sizes[index], index));
  }
}

}  // namespace

TEST_CASE("broadcasts of odd sizes arrive whole") {
  broadcast_all({1, 7, 999, 4'097}, 1 << 20);
}

TEST_CASE("a broadcast of no bytes is done at once and in its turn") {
  broadcast_all({0}, 1 << 20);
  broadcast_all({0, 5, 0, 0, 1'000, 0}, 64);
}

TEST_CASE("broadcasts larger than a chunk arrive whole") {
  for (const std::size_t size : {1'000U, 1'001U, 3'999U, 4'000U, 4'001U, 25'000U}) broadcast_all({size}, 1'000);
  broadcast_all({100'001}, 16'384);
}

TEST_CASE("several queued broadcasts complete in their order") {
  std::vector<std::size_t> sizes;
  for (std::size_t index = 0; index < 12; ++index) sizes.push_back(index * 977 % 5'000);
  broadcast_all(sizes, 512);
}

TEST_CASE("broadcasts and frames do not get in each other's way") {
  TransportOnWorld transport(4'096);
  Bytes memory = transport->rank() == 0 ? pattern(300'000, 3) : Bytes(300'000);
  (void)transport->broadcast(memory, nullptr);
  int arrived = 0;
  if (transport->rank() == 0) {
    for (int rank = 1; rank < transport->size(); ++rank) {
      Frame frame{pattern(50'000, 1), {}};
      transport->send(rank, frame);
    }
  }
  while (transport->broadcasts_done() < 1 || (transport->rank() != 0 && arrived < 1)) {
    if (const auto frame = transport->receive()) {
      ++arrived;
      CHECK(is_pattern(frame->frame.body, 50'000, 1));
    }
  }
  CHECK(is_pattern(memory, 300'000, 3));
}
