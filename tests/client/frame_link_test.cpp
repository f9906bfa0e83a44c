#include "client/frame_link.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"

#include <array>
#include <sys/socket.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using namespace std::chrono_literals;

namespace {

/// Two ends of a connection, which this process moves.
struct LinkedEnds {
  FrameLink here;
  FrameLink there;

  explicit LinkedEnds(double heartbeat_seconds = 0) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    here.connect(Descriptor(ends[0]), 0, heartbeat_seconds);
    there.connect(Descriptor(ends[1]), 0, heartbeat_seconds);
  }
  /// Sends a frame of one byte to the other end, which takes it.
  void send_there() {
    here.send({bytes("x"), {}});
    here.write();
    REQUIRE(there.read());
    REQUIRE(there.receive());
  }
  /// Lets the other end write, and takes note here of what it has acknowledged.
  void hear_from_there() {
    there.write();
    while (here.read()) CHECK_FALSE(here.receive());
  }
};

constexpr FrameLink::Clock::time_point start{1h};

}  // namespace

TEST_CASE("what has arrived is acknowledged 100 ms later, however much arrives until then") {
  LinkedEnds ends;
  CHECK(ends.there.next_attention() == FrameLink::Clock::time_point::max());
  for (auto passed = 0ms; passed < 100ms; passed += 10ms) {
    ends.send_there();
    ends.there.attend(start + passed);
    CHECK(ends.there.next_attention() == start + 100ms);
    CHECK_FALSE(ends.there.has_more());
  }
  ends.there.attend(start + 100ms);
  ends.hear_from_there();
  CHECK(ends.here.unacknowledged_bytes() == 0);
  CHECK(ends.there.next_attention() == FrameLink::Clock::time_point::max());
}

TEST_CASE("many frames are acknowledged at once, and the time of those behind them begins anew") {
  LinkedEnds ends;
  ends.send_there();
  ends.there.attend(start);
  while (!ends.there.has_more()) ends.send_there();
  ends.send_there();
  ends.there.attend(start + 90ms);
  CHECK(ends.there.next_attention() == start + 190ms);
  ends.hear_from_there();
  CHECK(ends.here.unacknowledged_bytes() == 0);
}

TEST_CASE("a link without a connection wants no attention") {
  LinkedEnds ends;
  ends.send_there();
  ends.there.attend(start);
  shutdown(ends.there.socket().get(), SHUT_RDWR);
  CHECK_FALSE(ends.there.read());
  CHECK(ends.there.next_attention() == FrameLink::Clock::time_point::max());
  ends.there.attend(start + 1h);
  CHECK_FALSE(ends.there.has_more());
}

TEST_CASE("ends that have nothing to say hear of each other, until one of them speaks no more") {
  LinkedEnds ends(20);
  auto now = start;
  for (; now < start + 1h; now += 1s) {
    ends.here.attend(now);
    ends.there.attend(now);
    REQUIRE_FALSE(ends.here.is_overdue());
    REQUIRE_FALSE(ends.there.is_overdue());
    ends.here.write();
    ends.hear_from_there();
    while (ends.there.read()) CHECK_FALSE(ends.there.receive());
  }
  const auto stopped = now;
  while (!ends.here.is_overdue()) {
    ends.here.attend(now += 1s);
    ends.here.write();
  }
  CHECK(now - stopped > 14s);   // it has spoken in the last quarter
  CHECK(now - stopped <= 21s);  // what came last was noticed a second later
  ends.here.excuse_silence();
  ends.here.attend(now += 1s);
  CHECK_FALSE(ends.here.is_overdue());
}
