// Tests of how the ranks of a node wake each other: real ranks, all on this machine.
#include "session/node_wake_pages.hpp"

#include "mpi/mpi_node.hpp"
#include "segments/wake_page.hpp"
#include "session/mpi_rank.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/own_rank.hpp"
#include "support/transport_on_world.hpp"

#include <chrono>
#include <cstddef>
#include <functional>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::chrono::minutes too_long{1};

/// Looks until `arrives`, and returns whether `flag` was notified for it. What arrives comes in several steps, some of
/// them MPI's own, so this looks now and then, too.
bool look_until(const std::function<bool()>& arrives, WakeFlag& flag) {
  constexpr std::chrono::milliseconds pause{1};
  bool woken = false;
  while (!arrives()) woken |= flag.wait_for(pause);
  return woken || flag.wait_for(too_long);
}

/// A rank with its page and those of the ranks with which it is connected. Collective.
struct ConnectedRank {
  ConnectedRank() {
    NodeMeeting meeting = meet_node(MPI_COMM_WORLD);
    others = exchange_wake_pages(meeting, own_rank(), own);
    if (meeting.heads != MPI_COMM_NULL) MPI_Comm_free(&meeting.heads);
  }

  OwnWakePage own;
  NodeWakePages others;
};

}  // namespace

TEST_CASE("the first rank of a node can wake all others, and they it") {
  ConnectedRank rank;
  REQUIRE(rank.others.size() == (own_rank() == 0 ? static_cast<std::size_t>(world_size()) - 1 : 1));
  if (own_rank() != 0) {
    CHECK(rank.own.flag().wait_for(too_long));
    rank.others.at(0).flag().notify();
    return;
  }
  for (auto& [other, page] : rank.others) {
    CHECK((other > 0 && other < world_size()));
    CHECK_FALSE(rank.own.flag().take());
    page.flag().notify();
    CHECK(rank.own.flag().wait_for(too_long));
  }
}

TEST_CASE("a rank is woken for messages of every size") {
  ConnectedRank rank;
  TransportOnWorld transport;
  for (const auto& [other, page] : rank.others) transport->wake_with(other, page.flag());
  if (own_rank() == 0) {
    for (const std::size_t size : {10UL, 3'000UL, 100'000UL, 20'000'000UL}) {
      for (int other = 1; other < world_size(); ++other) {
        Frame frame{bytes("here it is"), {}};
        frame.parts.emplace_back(pattern(size, 1));
        transport->send(other, frame);
        CHECK(look_until([&] { return transport->receive().has_value(); }, rank.own.flag()));
      }
    }
  } else {
    for (const std::size_t size : {10UL, 3'000UL, 100'000UL, 20'000'000UL}) {
      INFO(size << " bytes");
      bool is_right = false;
      const auto arrives = [&] {
        const auto frame = transport->receive();
        if (frame) is_right = is_pattern(frame->frame.parts.front().view(), size, 1);
        return frame.has_value();
      };
      CHECK(look_until(arrives, rank.own.flag()));
      CHECK(is_right);
      Frame answer{bytes("thanks"), {}};
      transport->send(0, answer);
    }
  }
  while (!transport->quiet()) transport->progress();
}

TEST_CASE("ranks that all share a node are woken for every message") {
  OwnWakePage page;
  MpiRank rank(MPI_COMM_WORLD, {.identity = "woken"}, page, false);
  CHECK(&rank.parts().wake_flag == &page.flag());
  CHECK(rank.parts().woken_by == IdleWaiter::WokenBy::all_ranks);
  own_rank() == 0 ? rank.end_as_coordinator(0) : rank.end_as_worker(0, false);
}
