#include "parallel/dispatch_window.hpp"

#include "support/catch.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <ranges>
#include <stdexcept>
#include <vector>

using namespace joblib_mpi;
using std::views::iota;
using std::views::transform;

namespace window_test {
std::atomic<int> finished = 0;
int finish(int value) {
  ++finished;
  return value;
}
int finish_array(const std::vector<double>&) {
  return ++finished;
}
}  // namespace window_test

TEST_CASE("a window has room until its size is under way and again after a finish") {
  DispatchWindow window({.tasks = 2});
  CHECK(window.empty());
  CHECK(window.has_room());
  window.submitted();
  CHECK(window.has_room());
  CHECK_FALSE(window.empty());
  window.submitted();
  CHECK_FALSE(window.has_room());
  window.finished(0);
  CHECK(window.has_room());
  window.finished(1);
  CHECK(window.empty());
}

TEST_CASE("a window that has its bytes lets few tasks through until some have finished") {
  DispatchWindow window({.tasks = 100, .bytes = 1000, .tasks_beyond_bytes = 2});
  window.submitted();
  window.weigh(0, 600);
  CHECK(window.has_room());
  window.submitted();
  window.weigh(1, 300);
  window.weigh(1, 600);  // it has turned out to be larger, and is not counted twice
  CHECK_FALSE(window.has_room());
  window.finished(1);
  CHECK(window.has_room());
  for (int small = 0; small < 50; ++small) window.submitted();
  CHECK(window.has_room());
}

TEST_CASE("no more tasks are taken from the range ahead of their results than pre_dispatch says") {
  for (const std::size_t pre_dispatch : {1, 5}) {
    window_test::finished = 0;
    int taken = 0;
    int most_ahead = 0;
    const auto calls = iota(0, 100) | transform([&](int value) {
                         most_ahead = std::max(most_ahead, ++taken - window_test::finished);
                         return delayed<window_test::finish>(value);
                       });
    CHECK(Parallel({.backend = "sequential", .pre_dispatch = pre_dispatch})(calls).size() == 100);
    // The loop holds one more task while it waits for room.
    CHECK(most_ahead <= static_cast<int>(pre_dispatch) + 1);
  }
}

TEST_CASE("tasks with large arguments are taken two ahead for each job") {
  for (const char* backend : {"sequential", "threading"}) {
    window_test::finished = 0;
    int taken = 0;
    int most_ahead = 0;
    const auto calls = iota(0, 10) | transform([&](int) {
                         most_ahead = std::max(most_ahead, ++taken - window_test::finished);
                         return delayed<window_test::finish_array>(std::vector<double>(std::size_t{5} << 20));
                       });
    CHECK(Parallel({.n_jobs = 1, .backend = backend})(calls).size() == 10);
    CHECK(most_ahead <= 3);
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
