#include "client/link_heartbeat.hpp"

#include "support/catch.hpp"

using namespace joblib_mpi;
using namespace std::chrono_literals;

namespace {

constexpr LinkHeartbeat::TimePoint beginning{1h};

}  // namespace

TEST_CASE("an end that has said nothing for a quarter of a heartbeat must speak, once") {
  LinkHeartbeat heartbeat(20);
  CHECK_FALSE(heartbeat.must_speak(beginning));
  CHECK_FALSE(heartbeat.must_speak(beginning + 4s));
  heartbeat.said();
  CHECK_FALSE(heartbeat.must_speak(beginning + 5s));
  CHECK_FALSE(heartbeat.must_speak(beginning + 9s));
  CHECK(heartbeat.must_speak(beginning + 10s));
  CHECK_FALSE(heartbeat.must_speak(beginning + 11s));
  CHECK(heartbeat.must_speak(beginning + 15s));
}

TEST_CASE("an end that has been silent for a whole heartbeat is overdue until it is heard") {
  LinkHeartbeat heartbeat(20);
  for (auto passed = 0s; passed < 20s; passed += 1s) {
    (void)heartbeat.must_speak(beginning + passed);
    CHECK_FALSE(heartbeat.is_overdue());
  }
  (void)heartbeat.must_speak(beginning + 20s);
  CHECK(heartbeat.is_overdue());
  heartbeat.heard();
  (void)heartbeat.must_speak(beginning + 21s);
  CHECK_FALSE(heartbeat.is_overdue());
}

TEST_CASE("a long pause of this end makes the other one not overdue") {
  LinkHeartbeat heartbeat(20);
  (void)heartbeat.must_speak(beginning);
  CHECK(heartbeat.must_speak(beginning + 1h));
  CHECK_FALSE(heartbeat.is_overdue());
}

TEST_CASE("without a heartbeat each end may be silent for as long as it likes") {
  LinkHeartbeat heartbeat(0);
  for (auto passed = 0h; passed < 100h; passed += 1h) {
    CHECK_FALSE(heartbeat.must_speak(beginning + passed));
    CHECK_FALSE(heartbeat.is_overdue());
  }
}
