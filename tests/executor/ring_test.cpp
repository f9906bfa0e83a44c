#include "executor/ring.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::size_t messages = 20'000;

/// Returns sizes, small and large ones mixed, that reach the ring's end at every distance.
std::size_t size_of(std::size_t index) {
  return 1 + (index % 97 == 0 ? (index * 7919) % Ring::max_message_bytes : (index * 31) % 400);
}

void write_all(Ring& ring) {
  for (std::size_t index = 0; index < messages; ++index) {
    const Bytes message = pattern(size_of(index), index);
    std::span<std::byte> room;
    while ((room = ring.reserve(message.size())).empty()) std::this_thread::yield();
    std::memcpy(room.data(), message.data(), message.size());
    ring.publish();
  }
}

/// Returns how many messages arrive unchanged and in order.
std::size_t read_all(Ring& ring) {
  std::size_t right = 0;
  for (std::size_t index = 0; index < messages; ++index) {
    while (ring.empty()) std::this_thread::yield();
    right += is_pattern(ring.front(), size_of(index), index) ? 1 : 0;
    ring.pop();
  }
  return right;
}

}  // namespace

TEST_CASE("a ring's messages reach another thread unchanged and in order") {
  const auto ring = std::make_unique<Ring>();
  std::thread writer([&] { write_all(*ring); });
  CHECK(read_all(*ring) == messages);
  writer.join();
  CHECK(ring->empty());
  CHECK(ring->front().data() == nullptr);
}

TEST_CASE("a ring's messages reach another process unchanged and in order") {
  void* memory = mmap(nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  Ring* ring = ::new (memory) Ring;
  const pid_t writer = fork();
  if (writer == 0) {
    write_all(*ring);
    _exit(0);
  }
  CHECK(read_all(*ring) == messages);
  waitpid(writer, nullptr, 0);
  munmap(memory, sizeof(Ring));
}

TEST_CASE("a full ring takes the next message once one was read") {
  const auto ring = std::make_unique<Ring>();
  int taken = 0;
  while (!ring->reserve(Ring::max_message_bytes / 2).empty()) {
    ring->publish();
    ++taken;
  }
  CHECK(taken == 7);
  (void)ring->front();
  ring->pop();
  CHECK_FALSE(ring->reserve(Ring::max_message_bytes / 2).empty());
}

TEST_CASE("what was reserved and not published is not there") {
  const auto ring = std::make_unique<Ring>();
  REQUIRE_FALSE(ring->reserve(100).empty());
  CHECK(ring->empty());
  REQUIRE_FALSE(ring->reserve(5).empty());
  ring->publish();
  CHECK(ring->front().size() == 5);
}

TEST_CASE("a cleared ring is empty") {
  const auto ring = std::make_unique<Ring>();
  REQUIRE_FALSE(ring->reserve(100).empty());
  ring->publish();
  ring->clear();
  CHECK(ring->empty());
}
