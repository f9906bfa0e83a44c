#include "coordinator/quiet_clock.hpp"

#include "support/catch.hpp"

#include <chrono>

using namespace joblib_mpi;
using namespace std::chrono_literals;

TEST_CASE("a lull is found once it has been quiet for so long, and another one after as much time again") {
  QuietClock clock(1s);
  const QuietClock::Clock::time_point start{};
  CHECK_FALSE(clock.is_lull(true, start));
  CHECK_FALSE(clock.is_lull(true, start + 999ms));
  CHECK(clock.is_lull(true, start + 1s));
  CHECK_FALSE(clock.is_lull(true, start + 1500ms));
  CHECK_FALSE(clock.is_lull(true, start + 2400ms));
  CHECK(clock.is_lull(true, start + 2500ms));
}

TEST_CASE("anything that happens begins the time anew") {
  QuietClock clock(1s);
  const QuietClock::Clock::time_point start{};
  CHECK_FALSE(clock.is_lull(true, start));
  CHECK_FALSE(clock.is_lull(false, start + 900ms));
  CHECK_FALSE(clock.is_lull(true, start + 1100ms));
  CHECK_FALSE(clock.is_lull(true, start + 2000ms));
  CHECK(clock.is_lull(true, start + 2100ms));
}
