// Tests of how the scheduler handles failed tasks and lost workers.

#include "support/catch.hpp"
#include "support/scripted_scheduler.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {
constexpr SchedulerOptions eight_ahead{.prefetch_seconds = 1e-3, .max_credits = 8};
}

TEST_CASE("a task that is lost or times out runs again until it has had its attempts") {
  for (const TaskEnding ending : {TaskEnding::lost, TaskEnding::timed_out}) {
    ScriptedScheduler scheduler(1);
    scheduler.start(1, 1000, 2);
    scheduler.submit(1, 0, 1);
    scheduler.fail(0, ending);
    scheduler.fail(0, ending);
    CHECK(scheduler.attempts(0) == 3);
    CHECK(scheduler.completed.empty());
    scheduler.fail(0, ending);
    CHECK(scheduler.attempts(0) == 3);
    CHECK(scheduler.completed == Slots{0});
  }
}

TEST_CASE("a task that raised runs again only where that is asked for") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1);
  scheduler.submit(1, 0, 1);
  scheduler.fail(0, TaskEnding::raised);
  CHECK(scheduler.completed == Slots{0});
  scheduler.tell(event::CallStarted{CallId{2}, 1000, {1, true}});
  scheduler.submit(2, 1, 2);
  scheduler.fail(1, TaskEnding::raised);
  CHECK(scheduler.attempts(1) == 2);
  scheduler.fail(1, TaskEnding::raised);
  CHECK(scheduler.completed == Slots{0, 1});
}

TEST_CASE("a task that failed goes before those that have not run and rather to another worker") {
  ScriptedScheduler scheduler(3);
  scheduler.start(1, 2);
  scheduler.submit(1, 0, 5);
  const int failed_on = scheduler.worker_of[0];
  scheduler.fail(0, TaskEnding::lost);
  CHECK(scheduler.assigned == Slots{0, 1, 0});
  CHECK(scheduler.worker_of[0] != failed_on);
  CHECK(scheduler.worker_of[0] != scheduler.worker_of[1]);
}

TEST_CASE("a task that failed runs on the same worker if there is no other") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1);
  scheduler.submit(1, 0, 2);
  scheduler.fail(0, TaskEnding::lost);
  CHECK(scheduler.assigned == Slots{0, 0});
}

TEST_CASE("what a lost worker held runs on the others") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit(1, 0, 3);
  scheduler.lose(scheduler.worker_of[0]);
  CHECK(scheduler.assigned == Slots{0, 1});
  scheduler.finish(1);
  CHECK(scheduler.assigned == Slots{0, 1, 0});
  CHECK(scheduler.worker_of[0] == scheduler.worker_of[1]);
  scheduler.finish(0);
  scheduler.finish(2);
  CHECK(scheduler.completed == Slots{1, 0, 2});
}

TEST_CASE("each task that a lost worker held runs alone from then on") {
  ScriptedScheduler scheduler(2, eight_ahead);
  scheduler.start(1);
  scheduler.submit(1, 0, 100);
  scheduler.finish(0, 1e-6);
  const int lost = scheduler.worker_of[0];
  const int other = 3 - lost;
  REQUIRE(scheduler.held_by(lost) == 8);
  const Slots suspects = scheduler.tasks_of(lost);
  scheduler.lose(lost);
  for (std::size_t suspects_run = 0; suspects_run < suspects.size();) {
    const Slots held = scheduler.tasks_of(other);
    const bool suspect = std::ranges::find(suspects, held.front()) != suspects.end();
    if (suspect) CHECK(held.size() == 1);
    suspects_run += suspect;
    scheduler.finish(held.front(), 1e-6);
  }
  CHECK(scheduler.held_by(other) == 8);
}

TEST_CASE("a task that kills every worker takes exactly its attempts and no other task is lost") {
  ScriptedScheduler scheduler(6, eight_ahead);
  scheduler.start(1, 1000, 2);
  constexpr std::uint32_t tasks = 200;
  constexpr std::uint32_t poison = 50;
  scheduler.submit(1, 0, tasks);
  int deaths = 0;
  for (int worker = 1; scheduler.completed.size() + scheduler.given_up.size() < tasks; worker = worker % 6 + 1) {
    if (scheduler.held_by(worker) == 0) continue;
    const std::uint32_t running = scheduler.tasks_of(worker).front();
    if (running == poison) {
      REQUIRE(++deaths <= 3);
      scheduler.lose(worker);
    } else {
      scheduler.finish(running, 1e-6);
    }
  }
  CHECK(deaths == 3);
  CHECK(scheduler.attempts(poison) == 3);
  CHECK(scheduler.given_up == Slots{poison});
  for (std::uint32_t slot = 0; slot < tasks; ++slot) CHECK((slot == poison || scheduler.attempts(slot) <= 2));
}

TEST_CASE("a call without retries holds nothing ahead and loses only the task that ran") {
  ScriptedScheduler scheduler(2, eight_ahead);
  scheduler.start(1, 1000, 0);
  scheduler.submit(1, 0, 50);
  for (std::uint32_t slot = 0; slot < 10; ++slot) scheduler.finish(slot, 1e-6);
  CHECK(scheduler.held_by(1) == 1);
  CHECK(scheduler.held_by(2) == 1);
  scheduler.lose(scheduler.worker_of[10]);
  CHECK(scheduler.given_up == Slots{10});
  scheduler.finish(11);
  CHECK(scheduler.assigned.back() == 12);
}

TEST_CASE("a task before its last attempt runs alone") {
  ScriptedScheduler scheduler(1, eight_ahead);
  scheduler.start(1, 1000, 1);
  scheduler.submit(1, 0, 50);
  scheduler.finish(0, 1e-6);
  REQUIRE(scheduler.held_by(1) == 8);
  scheduler.fail(1, TaskEnding::lost);
  for (std::uint32_t slot = 2; slot <= 8; ++slot) scheduler.finish(slot, 1e-6);
  CHECK(scheduler.assigned.back() == 1);
  CHECK(scheduler.held_by(1) == 1);
  scheduler.finish(1, 1e-6);
  CHECK(scheduler.held_by(1) == 8);
}

TEST_CASE("when the last worker is lost every task is given up, and each that is submitted later at once") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.start(2);
  scheduler.submit(1, 0, 5);
  scheduler.submit(2, 10, 12);
  scheduler.lose(1);
  CHECK(scheduler.given_up.empty());
  scheduler.lose(2);
  CHECK(std::set(scheduler.given_up.begin(), scheduler.given_up.end()) ==
        std::set<std::uint32_t>{0, 1, 2, 3, 4, 10, 11});
  CHECK(scheduler.given_up.size() == 7);
  scheduler.submit(2, 12, 13);
  CHECK(scheduler.given_up.back() == 12);
  scheduler.start(3);
  scheduler.submit(3, 20, 21);
  CHECK(scheduler.given_up.back() == 20);
  for (const std::uint64_t call : {1, 2, 3}) scheduler.tell(event::CallEnded{CallId{call}});
  CHECK(scheduler.discarded.empty());
}

TEST_CASE("tasks of an ended call go with the worker that held them") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit(1, 0, 2);
  scheduler.tell(event::CallEnded{CallId{1}});
  scheduler.lose(scheduler.worker_of[0]);
  CHECK(scheduler.discarded == Slots{0});
  CHECK(scheduler.given_up.empty());
  scheduler.finish(1);
  CHECK(scheduler.discarded == Slots{0, 1});
  scheduler.start(2);
  scheduler.submit(2, 10, 11);
  CHECK(scheduler.assigned.back() == 10);
}

TEST_CASE("tasks that wait to run again are dropped when their call ends") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit(1, 0, 2);
  scheduler.lose(scheduler.worker_of[0]);
  scheduler.tell(event::CallEnded{CallId{1}});
  CHECK(scheduler.discarded == Slots{0});
  CHECK(scheduler.cancelled_at == std::set{scheduler.worker_of[1]});
}

TEST_CASE("a worker that is unknown or lost already is lost without consequences") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1);
  scheduler.submit(1, 0, 1);
  scheduler.lose(7);
  CHECK(scheduler.assigned == Slots{0});
  scheduler.lose(1);
  CHECK(scheduler.given_up == Slots{0});
  scheduler.lose(1);
  CHECK(scheduler.given_up == Slots{0});
}
