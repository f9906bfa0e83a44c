#include "parallel/dispatch_window.hpp"

#include "support/catch.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>

#include <ranges>

using namespace joblib_mpi;
using std::views::iota;
using std::views::transform;

namespace window_test {
int finished = 0;
int finish(int value) {
  ++finished;
  return value;
}
}  // namespace window_test

TEST_CASE("a window has room until its size is under way and again after a finish") {
  DispatchWindow window(2);
  CHECK(window.empty());
  CHECK(window.has_room());
  window.submitted();
  CHECK(window.has_room());
  CHECK_FALSE(window.empty());
  window.submitted();
  CHECK_FALSE(window.has_room());
  window.finished();
  CHECK(window.has_room());
  window.finished();
  CHECK(window.empty());
}

TEST_CASE("a window of size 0 lets one task through at a time") {
  DispatchWindow window(0);
  CHECK(window.has_room());
  window.submitted();
  CHECK_FALSE(window.has_room());
}

TEST_CASE("no more tasks are taken from the range ahead of their results than pre_dispatch says") {
  for (const std::size_t pre_dispatch : {0, 1, 5}) {
    window_test::finished = 0;
    int taken = 0;
    int most_ahead = 0;
    const auto calls = iota(0, 100) | transform([&](int value) {
                         most_ahead = std::max(most_ahead, ++taken - window_test::finished);
                         return delayed<window_test::finish>(value);
                       });
    CHECK(Parallel({.backend = "sequential", .pre_dispatch = pre_dispatch})(calls).size() == 100);
    // The loop holds one more task while it waits for room.
    CHECK(most_ahead <= static_cast<int>(std::max<std::size_t>(pre_dispatch, 1)) + 1);
  }
}

TEST_CASE("an endless range is taken only as far as needed") {
  int taken = 0;
  const auto endless = iota(0) | transform([&](int value) {
                         ++taken;
                         if (value == 1000) throw std::runtime_error("the range itself fails");
                         return delayed<window_test::finish>(value);
                       });
  CHECK_THROWS_AS(Parallel({.backend = "sequential"})(endless), std::runtime_error);
  CHECK(taken == 1001);
}
