#include "coordinator/heartbeat.hpp"

#include "support/catch.hpp"

using namespace joblib_mpi;
using namespace std::chrono_literals;

namespace {

constexpr WorkerId first{1};
constexpr WorkerId second{2};

/// A fixture with a heartbeat of 8 s and a clock that the test moves.
struct Watch {
  explicit Watch(int workers, double heartbeat_seconds = 8.0) : heartbeat(settings(heartbeat_seconds), workers) {
    for (int worker = 1; worker <= workers; ++worker) heartbeat.has_started(WorkerId{worker}, true);
    (void)heartbeat.look(now);
  }
  static Settings settings(double heartbeat_seconds) {
    Settings settings;
    settings.heartbeat_seconds = heartbeat_seconds;
    settings.start_seconds = 60;
    return settings;
  }
  /// Checks each second, as a rank that drives does; returns what was found by then.
  Heartbeat::Findings after(std::chrono::seconds time) {
    Heartbeat::Findings all;
    for (const auto end = now + time; now < end;) {
      now += 1s;
      const auto found = heartbeat.look(now);
      all.to_ask.insert(all.to_ask.end(), found.to_ask.begin(), found.to_ask.end());
      all.overdue.insert(all.overdue.end(), found.overdue.begin(), found.overdue.end());
    }
    return all;
  }

  Heartbeat::TimePoint now{1h};
  Heartbeat heartbeat;
};

}  // namespace

TEST_CASE("a worker that has been silent for a quarter of the heartbeat is asked once") {
  Watch watch(1);
  CHECK(watch.after(1s).to_ask.empty());
  CHECK(watch.after(1s).to_ask == std::vector{first});
  CHECK(watch.after(5s).to_ask.empty());
}

TEST_CASE("a worker that leaves the question without an answer is overdue after the heartbeat, once") {
  Watch watch(2);
  CHECK(watch.after(2s).to_ask.size() == 2);
  CHECK(watch.after(4s).overdue.empty());
  watch.heartbeat.heard_from(second);
  CHECK(watch.after(3s).overdue.empty());
  CHECK(watch.heartbeat.anyone_overdue(watch.now + 1s));
  const auto found = watch.after(1s);
  REQUIRE(found.overdue.size() == 1);
  CHECK(found.overdue[0].worker == first);
  CHECK(found.overdue[0].patience_seconds == 8);
  CHECK(found.overdue[0].started);
  CHECK_FALSE(watch.heartbeat.anyone_overdue(watch.now + 1s));
}

TEST_CASE("any message is an answer") {
  Watch watch(1);
  for (int round = 0; round < 20; ++round) {
    CHECK(watch.after(3s).overdue.empty());
    watch.heartbeat.heard_from(first);
  }
}

TEST_CASE("an answer that arrives at the last moment counts") {
  Watch watch(1);
  (void)watch.after(9s);
  CHECK(watch.heartbeat.anyone_overdue(watch.now + 1s));
  watch.heartbeat.heard_from(first);
  CHECK_FALSE(watch.heartbeat.anyone_overdue(watch.now + 1s));
  CHECK(watch.after(1s).overdue.empty());
}

TEST_CASE("after minutes in which rank 0 did not look no worker is overdue before it is asked again") {
  Watch watch(1);
  CHECK(watch.after(2s).to_ask.size() == 1);
  watch.now += 5min;
  const auto found = watch.after(1s);
  CHECK(found.overdue.empty());
  CHECK(found.to_ask == std::vector{first});
  CHECK(watch.after(7s).overdue.empty());
  CHECK(watch.after(1s).overdue.size() == 1);
}

TEST_CASE("a worker that does not answer during tasks may be silent while it holds some") {
  Watch watch(2);
  watch.heartbeat.has_started(first, false);
  watch.heartbeat.set_busy(first, true);
  watch.heartbeat.set_busy(second, true);
  const auto found = watch.after(30s);
  REQUIRE(found.overdue.size() == 1);
  CHECK(found.overdue[0].worker == second);
  watch.heartbeat.set_busy(first, false);
  CHECK(watch.after(9s).overdue.empty());
  CHECK(watch.after(1s).overdue.size() == 1);
}

TEST_CASE("a worker has more time until it has begun to serve") {
  Heartbeat::TimePoint now{1h};
  Heartbeat heartbeat(Watch::settings(8.0), 1);
  std::size_t seconds = 0;
  for (; heartbeat.look(now).overdue.empty(); now += 1s) REQUIRE(++seconds < 100);
  CHECK(seconds >= 60);
}

TEST_CASE("a heartbeat of 0 and a worker that is forgotten are never overdue") {
  Watch off(1, 0.0);
  CHECK(off.after(1000s).to_ask.empty());
  CHECK(off.after(1000s).overdue.empty());
  Watch watch(1);
  watch.heartbeat.forget(first);
  CHECK(watch.after(100s).to_ask.empty());
  CHECK(watch.after(100s).overdue.empty());
}

TEST_CASE("a worker that is watched again has the time of one that was just heard of") {
  Watch watch(1);
  CHECK(watch.after(11s).overdue.size() == 1);
  watch.heartbeat.watch_again(first);
  watch.heartbeat.has_started(first, true);
  CHECK(watch.after(9s).overdue.empty());
  CHECK(watch.after(3s).overdue.size() == 1);
}

TEST_CASE("an excused worker has its time again") {
  Watch watch(1);
  REQUIRE(watch.after(10s).overdue.size() == 1);
  watch.heartbeat.excuse(first);
  CHECK(watch.after(10s).overdue.empty());
  CHECK(watch.after(1s).overdue.size() == 1);
}
