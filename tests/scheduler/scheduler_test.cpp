#include "scheduler/scheduler.hpp"

#include "support/catch.hpp"
#include "support/scheduler_desk.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("tasks of a call start in the order of their submission on different workers") {
  SchedulerDesk desk(3);
  desk.start(1);
  desk.submit(1, 0, 5);
  CHECK(desk.assigned == Slots{0, 1, 2});
  CHECK(std::set{desk.worker_of[0], desk.worker_of[1], desk.worker_of[2]} == std::set{1, 2, 3});
}

TEST_CASE("a finished task is handed on and its worker gets the next") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.submit(1, 0, 4);
  desk.finish(1);
  CHECK(desk.completed == Slots{1});
  CHECK(desk.assigned == Slots{0, 1, 2});
  CHECK(desk.worker_of[2] == desk.worker_of[1]);
}

TEST_CASE("tasks wait while there are no workers") {
  SchedulerDesk desk(0);
  desk.start(1);
  desk.submit(1, 0, 2);
  CHECK(desk.assigned.empty());
  desk.tell(event::WorkerJoined{WorkerId{1}});
  CHECK(desk.assigned == Slots{0});
}

TEST_CASE("calls take turns") {
  SchedulerDesk desk(1);
  desk.start(1);
  desk.start(2);
  desk.submit(1, 0, 10);
  desk.submit(2, 100, 110);
  for (int finished = 0; finished < 9; ++finished) desk.finish(desk.assigned.back());
  std::size_t of_second = 0;
  for (const std::uint32_t slot : desk.assigned) of_second += slot >= 100;
  CHECK(desk.assigned.size() == 10);
  CHECK(of_second >= 4);
  CHECK(of_second <= 5);
}

TEST_CASE("a call never has tasks on more workers than it may use") {
  SchedulerDesk desk(8);
  desk.start(1, 2);
  desk.submit(1, 0, 100);
  CHECK(desk.assigned == Slots{0, 1});
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    desk.finish(slot, 1e-6);
    std::set<int> holders;
    for (const std::uint32_t held : desk.assigned) {
      if (!desk.is_done(held)) holders.insert(desk.worker_of[held]);
    }
    CHECK(holders.size() <= 2);
  }
  desk.start(2, 1000);
  desk.submit(2, 1000, 1010);
  std::set<int> second;
  for (const std::uint32_t slot : desk.assigned) {
    if (slot >= 1000) second.insert(desk.worker_of[slot]);
  }
  CHECK(second.size() >= 6);
}

TEST_CASE("workers hold tiny tasks ahead once they are measured") {
  SchedulerDesk desk(2, {.prefetch_seconds = 1e-3, .max_credits = 8});
  desk.start(1);
  desk.submit(1, 0, 100);
  CHECK(desk.held_by(1) == 1);
  desk.finish(0, 1e-6);
  CHECK(desk.held_by(1) == 8);
  CHECK(desk.held_by(2) == 8);
}

TEST_CASE("workers hold only the running task of a call of long ones") {
  SchedulerDesk desk(2, {.prefetch_seconds = 1e-3, .max_credits = 8});
  desk.start(1);
  desk.submit(1, 0, 20);
  for (std::uint32_t slot = 0; slot < 10; ++slot) {
    desk.finish(slot, 0.1);
    CHECK(desk.held_by(1) == 1);
    CHECK(desk.held_by(2) == 1);
  }
}

TEST_CASE("calls that compete hold nothing ahead") {
  SchedulerDesk desk(1, {.prefetch_seconds = 1e-3, .max_credits = 8});
  desk.start(1);
  desk.start(2);
  desk.submit(1, 0, 50);
  desk.submit(2, 100, 150);
  for (int turn = 0; turn < 20; ++turn) {
    desk.finish(desk.assigned.back(), 1e-6);
    CHECK(desk.held_by(1) == 1);
  }
}

TEST_CASE("when a call ends its waiting tasks are dropped and the workers that hold others are told") {
  SchedulerDesk desk(3);
  desk.start(1, 2);
  desk.submit(1, 0, 5);
  desk.tell(event::CallEnded{CallId{1}});
  CHECK(desk.discarded == Slots{2, 3, 4});
  CHECK(desk.cancelled_at == std::set{desk.worker_of[0], desk.worker_of[1]});
}

TEST_CASE("late finishes of an ended call are discarded and free their workers") {
  SchedulerDesk desk(1);
  desk.start(1);
  desk.submit(1, 0, 2);
  desk.tell(event::CallEnded{CallId{1}});
  desk.start(2);
  desk.submit(2, 10, 11);
  CHECK(desk.assigned == Slots{0});
  desk.finish(0);
  CHECK(desk.completed.empty());
  CHECK(desk.discarded == Slots{1, 0});
  CHECK(desk.assigned == Slots{0, 10});
  desk.finish(10);
  CHECK(desk.completed == Slots{10});
}

TEST_CASE("a call that ends without tasks asks for nothing") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.tell(event::CallEnded{CallId{1}});
  CHECK(desk.discarded.empty());
  CHECK(desk.cancelled_at.empty());
  desk.start(2);
  desk.submit(2, 0, 1);
  CHECK(desk.assigned == Slots{0});
}

TEST_CASE("a slot that is used again belongs to its new task") {
  SchedulerDesk desk(1);
  desk.start(1);
  desk.submit(1, 0, 1);
  desk.finish(0);
  desk.tell(event::TaskSubmitted{TaskId{0, 1}, CallId{1}});
  desk.tell(event::TaskFinished{TaskId{0, 1}, 1.0});
  CHECK(desk.completed == Slots{0, 0});
}

TEST_CASE("of a stopped call no task starts any more, and what runs goes on without another attempt") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.submit(1, 0, 5);
  CHECK(desk.assigned == Slots{0, 1});
  desk.tell(event::CallStopped{CallId{1}});
  CHECK(desk.withdrawn == Slots{2, 3, 4});
  CHECK(desk.stopped_at == std::set{1, 2});
  CHECK(desk.cancelled_at.empty());
  desk.submit(1, 5, 6);
  CHECK(desk.withdrawn == Slots{2, 3, 4, 5});
  desk.finish(0);
  CHECK(desk.completed == Slots{0});
  desk.fail(1, TaskEnding::lost);
  CHECK(desk.completed == Slots{0, 1});
  CHECK(desk.assigned == Slots{0, 1});
  desk.tell(event::CallEnded{CallId{1}});
  desk.start(2);
  desk.submit(2, 6, 7);
  CHECK(desk.assigned == Slots{0, 1, 6});
}

TEST_CASE("a stopped call's task that is lost with its worker is given up") {
  SchedulerDesk desk(2);
  desk.start(1);
  desk.submit(1, 0, 2);
  desk.tell(event::CallStopped{CallId{1}});
  desk.lose(desk.worker_of.at(1));
  CHECK(desk.given_up == Slots{1});
  CHECK(desk.assigned == Slots{0, 1});
}
