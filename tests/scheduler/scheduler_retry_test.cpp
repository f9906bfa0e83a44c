// What the scheduler makes of tasks that fail and of workers that are lost.

#include "support/catch.hpp"
#include "support/scheduler_desk.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {
constexpr SchedulerOptions eight_ahead{.prefetch_seconds = 1e-3, .max_credits = 8};
}

TEST_CASE("a task that is lost or times out runs again until it has had its attempts") {
  for (const TaskEnding ending : {TaskEnding::lost, TaskEnding::timed_out}) {
    SchedulerDesk desk(1);
    desk.start(1, 1000, 2);
    desk.submit(1, 0, 1);
    desk.fail(0, ending);
    desk.fail(0, ending);
    CHECK(desk.attempts(0) == 3);
    CHECK(desk.completed.empty());
    desk.fail(0, ending);
    CHECK(desk.attempts(0) == 3);
    CHECK(desk.completed == Slots{0});
  }
}

TEST_CASE("a task that raised runs again only where that is asked for") {
  SchedulerDesk desk(1);
  desk.start(1);
  desk.submit(1, 0, 1);
  desk.fail(0, TaskEnding::raised);
  CHECK(desk.completed == Slots{0});
  desk.tell(event::CallStarted{CallId{2}, 1000, {1, true}});
  desk.submit(2, 1, 2);
  desk.fail(1, TaskEnding::raised);
  CHECK(desk.attempts(1) == 2);
  desk.fail(1, TaskEnding::raised);
  CHECK(desk.completed == Slots{0, 1});
}

TEST_CASE("a task that failed goes before those that have not run and rather to another worker") {
  SchedulerDesk desk(3);
  desk.start(1, 2);
  desk.submit(1, 0, 5);
  const int failed_on = desk.worker_of[0];
  desk.fail(0, TaskEnding::lost);
  CHECK(desk.assigned == Slots{0, 1, 0});
  CHECK(desk.worker_of[0] != failed_on);
  CHECK(desk.worker_of[0] != desk.worker_of[1]);
}

TEST_CASE("a task that failed runs on the same worker if there is no other") {
  SchedulerDesk desk(1);
  desk.start(1);
  desk.submit(1, 0, 2);
  desk.fail(0, TaskEnding::lost);
  CHECK(desk.assigned == Slots{0, 0});
}

TEST_CASE("what a lost worker held runs on the others") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.submit(1, 0, 3);
  desk.lose(desk.worker_of[0]);
  CHECK(desk.assigned == Slots{0, 1});
  desk.finish(1);
  CHECK(desk.assigned == Slots{0, 1, 0});
  CHECK(desk.worker_of[0] == desk.worker_of[1]);
  desk.finish(0);
  desk.finish(2);
  CHECK(desk.completed == Slots{1, 0, 2});
}

TEST_CASE("each task that a lost worker held runs alone from then on") {
  SchedulerDesk desk(2, eight_ahead);
  desk.start(1);
  desk.submit(1, 0, 100);
  desk.finish(0, 1e-6);
  const int lost = desk.worker_of[0];
  const int other = 3 - lost;
  REQUIRE(desk.held_by(lost) == 8);
  const Slots suspects = desk.tasks_of(lost);
  desk.lose(lost);
  for (std::size_t suspects_run = 0; suspects_run < suspects.size();) {
    const Slots held = desk.tasks_of(other);
    const bool suspect = std::ranges::find(suspects, held.front()) != suspects.end();
    if (suspect) CHECK(held.size() == 1);
    suspects_run += suspect;
    desk.finish(held.front(), 1e-6);
  }
  CHECK(desk.held_by(other) == 8);
}

TEST_CASE("a task that kills every worker takes exactly its attempts and no other task is lost") {
  SchedulerDesk desk(6, eight_ahead);
  desk.start(1, 1000, 2);
  constexpr std::uint32_t tasks = 200;
  constexpr std::uint32_t poison = 50;
  desk.submit(1, 0, tasks);
  int deaths = 0;
  for (int worker = 1; desk.completed.size() + desk.given_up.size() < tasks; worker = worker % 6 + 1) {
    if (desk.held_by(worker) == 0) continue;
    const std::uint32_t running = desk.tasks_of(worker).front();
    if (running == poison) {
      REQUIRE(++deaths <= 3);
      desk.lose(worker);
    } else {
      desk.finish(running, 1e-6);
    }
  }
  CHECK(deaths == 3);
  CHECK(desk.attempts(poison) == 3);
  CHECK(desk.given_up == Slots{poison});
  for (std::uint32_t slot = 0; slot < tasks; ++slot) CHECK((slot == poison || desk.attempts(slot) <= 2));
}

TEST_CASE("a call without retries holds nothing ahead and loses only the task that ran") {
  SchedulerDesk desk(2, eight_ahead);
  desk.start(1, 1000, 0);
  desk.submit(1, 0, 50);
  for (std::uint32_t slot = 0; slot < 10; ++slot) desk.finish(slot, 1e-6);
  CHECK(desk.held_by(1) == 1);
  CHECK(desk.held_by(2) == 1);
  desk.lose(desk.worker_of[10]);
  CHECK(desk.given_up == Slots{10});
  desk.finish(11);
  CHECK(desk.assigned.back() == 12);
}

TEST_CASE("a task before its last attempt runs alone") {
  SchedulerDesk desk(1, eight_ahead);
  desk.start(1, 1000, 1);
  desk.submit(1, 0, 50);
  desk.finish(0, 1e-6);
  REQUIRE(desk.held_by(1) == 8);
  desk.fail(1, TaskEnding::lost);
  for (std::uint32_t slot = 2; slot <= 8; ++slot) desk.finish(slot, 1e-6);
  CHECK(desk.assigned.back() == 1);
  CHECK(desk.held_by(1) == 1);
  desk.finish(1, 1e-6);
  CHECK(desk.held_by(1) == 8);
}

TEST_CASE("when the last worker is lost every task is given up, and each that is submitted later at once") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.start(2);
  desk.submit(1, 0, 5);
  desk.submit(2, 10, 12);
  desk.lose(1);
  CHECK(desk.given_up.empty());
  desk.lose(2);
  CHECK(std::set(desk.given_up.begin(), desk.given_up.end()) == std::set<std::uint32_t>{0, 1, 2, 3, 4, 10, 11});
  CHECK(desk.given_up.size() == 7);
  desk.submit(2, 12, 13);
  CHECK(desk.given_up.back() == 12);
  desk.start(3);
  desk.submit(3, 20, 21);
  CHECK(desk.given_up.back() == 20);
  for (const std::uint64_t call : {1, 2, 3}) desk.tell(event::CallEnded{CallId{call}});
  CHECK(desk.discarded.empty());
}

TEST_CASE("tasks of an ended call go with the worker that held them") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.submit(1, 0, 2);
  desk.tell(event::CallEnded{CallId{1}});
  desk.lose(desk.worker_of[0]);
  CHECK(desk.discarded == Slots{0});
  CHECK(desk.given_up.empty());
  desk.finish(1);
  CHECK(desk.discarded == Slots{0, 1});
  desk.start(2);
  desk.submit(2, 10, 11);
  CHECK(desk.assigned.back() == 10);
}

TEST_CASE("tasks that wait to run again are dropped when their call ends") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.submit(1, 0, 2);
  desk.lose(desk.worker_of[0]);
  desk.tell(event::CallEnded{CallId{1}});
  CHECK(desk.discarded == Slots{0});
  CHECK(desk.cancelled_at == std::set{desk.worker_of[1]});
}

TEST_CASE("a worker that is unknown or lost already is lost without consequences") {
  SchedulerDesk desk(1);
  desk.start(1);
  desk.submit(1, 0, 1);
  desk.lose(7);
  CHECK(desk.assigned == Slots{0});
  desk.lose(1);
  CHECK(desk.given_up == Slots{0});
  desk.lose(1);
  CHECK(desk.given_up == Slots{0});
}
