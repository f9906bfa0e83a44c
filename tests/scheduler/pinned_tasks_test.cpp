// Tests of tasks that one worker alone may run.

#include "scheduler/scheduler.hpp"
#include "support/catch.hpp"
#include "support/scripted_scheduler.hpp"

#include <cstdint>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("a task that one worker alone may run goes to that worker") {
  ScriptedScheduler scheduler(3);
  scheduler.start(1);
  for (int worker = 3; worker >= 1; --worker) scheduler.submit_to(worker, 1, static_cast<std::uint32_t>(worker));
  CHECK(scheduler.assigned == Slots{3, 2, 1});
  for (std::uint32_t slot = 1; slot <= 3; ++slot) CHECK(scheduler.worker_of[slot] == static_cast<int>(slot));
  scheduler.finish(2);
  CHECK(scheduler.completed == Slots{2});
}

TEST_CASE("a task that waits for its worker holds up no task of another worker") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit_to(1, 1, 0);
  scheduler.submit_to(1, 1, 1);
  scheduler.submit_to(2, 1, 2);
  scheduler.submit(1, 3, 4);
  CHECK(scheduler.assigned == Slots{0, 2});
  scheduler.finish(2);
  CHECK(scheduler.assigned == Slots{0, 2, 3});
  CHECK(scheduler.worker_of[3] == 2);
  scheduler.finish(0);
  CHECK(scheduler.worker_of[1] == 1);
}

TEST_CASE("a task that waits for its worker starts before the tasks of all other calls, which hold nothing ahead") {
  ScriptedScheduler scheduler(2, {.prefetch_seconds = 1e-3, .max_credits = 8});
  scheduler.start(1);
  scheduler.start(2);
  scheduler.submit(1, 0, 100);
  scheduler.finish(0, 1e-6);
  REQUIRE(scheduler.held_by(1) > 1);
  scheduler.submit_to(1, 2, 200);
  while (scheduler.attempts(200) == 0) {
    const auto held = scheduler.held_by(1);
    scheduler.finish(scheduler.tasks_of(1).front(), 1e-6);
    REQUIRE((scheduler.attempts(200) == 1 || scheduler.held_by(1) == held - 1));
  }
  CHECK(scheduler.tasks_of(1).front() == 200);
}

TEST_CASE("a call has no more such tasks running than it may use workers") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1, 1);
  scheduler.submit_to(1, 1, 0);
  scheduler.submit_to(2, 1, 1);
  CHECK(scheduler.assigned == Slots{0});
  scheduler.finish(0);
  CHECK(scheduler.assigned == Slots{0, 1});
}

TEST_CASE("a task that failed runs again on the only worker that may run it") {
  ScriptedScheduler scheduler(3);
  scheduler.start(1);
  scheduler.submit_to(2, 1, 0);
  for (std::size_t attempt = 1; attempt <= 3; ++attempt) {
    CHECK(scheduler.attempts(0) == attempt);
    CHECK(scheduler.tasks_of(2) == Slots{0});
    scheduler.fail(0, TaskEnding::lost);
  }
  CHECK(scheduler.completed == Slots{0});
}

TEST_CASE("tasks of a lost worker that no other may run are given up, running or not, and later ones at once") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit_to(1, 1, 0);
  scheduler.submit_to(1, 1, 1);
  scheduler.submit_to(2, 1, 2);
  scheduler.lose(1);
  CHECK(scheduler.given_up == Slots{0, 1});
  scheduler.submit_to(1, 1, 3);
  scheduler.submit_to(99, 1, 4);
  scheduler.submit_to(-1, 1, 5);
  CHECK(scheduler.given_up == Slots{0, 1, 3, 4, 5});
  scheduler.tell(event::WorkerJoined{WorkerId{1}});
  scheduler.submit_to(1, 1, 6);
  CHECK(scheduler.worker_of[6] == 1);
}

TEST_CASE("tasks that wait for their worker leave with their call") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1);
  scheduler.start(2);
  scheduler.submit(1, 0, 1);
  scheduler.submit_to(1, 2, 10);
  scheduler.tell(event::CallStopped{CallId{2}});
  CHECK(scheduler.withdrawn == Slots{10});
  scheduler.start(3);
  scheduler.submit_to(1, 3, 20);
  scheduler.tell(event::CallEnded{CallId{3}});
  CHECK(scheduler.discarded == Slots{20});
  scheduler.finish(0);
  CHECK(scheduler.attempts(10) + scheduler.attempts(20) == 0);
}
