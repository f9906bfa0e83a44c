#include "worker/coordinator_watch.hpp"

#include "support/catch.hpp"

using namespace joblib_mpi;
using namespace std::chrono_literals;

namespace {

const CoordinatorWatch::TimePoint start{1000s};

/// Checks each second from `from` on, for `seconds`; returns whether rank 0 was overdue at the last check.
bool looks_each_second(CoordinatorWatch& watch, std::chrono::seconds from, int seconds) {
  bool overdue = false;
  for (int second = 0; second <= seconds; ++second) overdue = watch.is_overdue(start + from + second * 1s);
  return overdue;
}

}  // namespace

TEST_CASE("a rank 0 that always asks is overdue after nine heartbeats of silence") {
  CoordinatorWatch watch(10);
  watch.begin();
  CHECK_FALSE(looks_each_second(watch, 0s, 89));
  CHECK(watch.is_overdue(start + 90s));
}

TEST_CASE("a rank 0 that has not said that it always asks may be silent") {
  CoordinatorWatch watch(10);
  CHECK_FALSE(looks_each_second(watch, 0s, 1000));
}

TEST_CASE("any message from rank 0 starts its time over") {
  CoordinatorWatch watch(10);
  watch.begin();
  CHECK_FALSE(looks_each_second(watch, 0s, 85));
  watch.heard();
  CHECK_FALSE(looks_each_second(watch, 86s, 89));
  CHECK(watch.is_overdue(start + 176s));
}

TEST_CASE("a long pause of the worker itself does not count") {
  CoordinatorWatch watch(10);
  watch.begin();
  CHECK_FALSE(watch.is_overdue(start));
  CHECK_FALSE(watch.is_overdue(start + 500s));
  CHECK_FALSE(looks_each_second(watch, 501s, 88));
  CHECK(watch.is_overdue(start + 590s));
}

TEST_CASE("without heartbeats rank 0 is never overdue") {
  CoordinatorWatch watch(0);
  watch.begin();
  CHECK_FALSE(looks_each_second(watch, 0s, 1000));
}
