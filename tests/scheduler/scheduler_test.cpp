#include "scheduler/scheduler.hpp"

#include "support/catch.hpp"
#include "support/scripted_scheduler.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("tasks of a call start in the order of their submission on different workers") {
  ScriptedScheduler scheduler(3);
  scheduler.start(1);
  scheduler.submit(1, 0, 5);
  CHECK(scheduler.assigned == Slots{0, 1, 2});
  CHECK(std::set{scheduler.worker_of[0], scheduler.worker_of[1], scheduler.worker_of[2]} == std::set{1, 2, 3});
}

TEST_CASE("a finished task is handed on and its worker gets the next") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit(1, 0, 4);
  scheduler.finish(1);
  CHECK(scheduler.completed == Slots{1});
  CHECK(scheduler.assigned == Slots{0, 1, 2});
  CHECK(scheduler.worker_of[2] == scheduler.worker_of[1]);
}

TEST_CASE("tasks wait while there are no workers") {
  ScriptedScheduler scheduler(0);
  scheduler.start(1);
  scheduler.submit(1, 0, 2);
  CHECK(scheduler.assigned.empty());
  scheduler.tell(event::WorkerJoined{WorkerId{1}});
  CHECK(scheduler.assigned == Slots{0});
}

TEST_CASE("calls take turns") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1);
  scheduler.start(2);
  scheduler.submit(1, 0, 10);
  scheduler.submit(2, 100, 110);
  for (int finished = 0; finished < 9; ++finished) scheduler.finish(scheduler.assigned.back());
  std::size_t of_second = 0;
  for (const std::uint32_t slot : scheduler.assigned) of_second += slot >= 100;
  CHECK(scheduler.assigned.size() == 10);
  CHECK(of_second >= 4);
  CHECK(of_second <= 5);
}

TEST_CASE("owners take turns, however many calls each has, and so do the calls of one owner") {
  ScriptedScheduler scheduler(1);
  constexpr std::uint64_t n_calls_of_first = 4;
  for (std::uint64_t call = 1; call <= n_calls_of_first; ++call) {
    scheduler.start(call, 1000, 2, 1);
    scheduler.submit(call, static_cast<std::uint32_t>(100 * call), static_cast<std::uint32_t>(100 * call + 50));
  }
  scheduler.start(5, 1000, 2, 2);
  scheduler.submit(5, 500, 550);
  for (int finished = 0; finished < 39; ++finished) scheduler.finish(scheduler.assigned.back());
  std::map<std::uint32_t, int> of_call;
  for (const std::uint32_t slot : scheduler.assigned) ++of_call[slot / 100];
  CHECK(scheduler.assigned.size() == 40);
  CHECK(of_call[5] >= 19);
  CHECK(of_call[5] <= 20);
  for (std::uint32_t call = 1; call <= n_calls_of_first; ++call) {
    CHECK(of_call[call] >= 5);
    CHECK(of_call[call] <= 6);
  }
}

TEST_CASE("an owner whose calls have ended has no turns, and can have others later") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1, 1000, 2, 7);
  scheduler.start(2, 1000, 2, 8);
  scheduler.tell(event::CallEnded{CallId{1}});
  scheduler.submit(2, 0, 3);
  for (std::uint32_t slot = 0; slot < 3; ++slot) scheduler.finish(slot);
  scheduler.start(3, 1000, 2, 7);
  scheduler.submit(3, 10, 12);
  CHECK(scheduler.assigned == Slots{0, 1, 2, 10});
}

TEST_CASE("a call never has tasks on more workers than it may use") {
  ScriptedScheduler scheduler(8);
  scheduler.start(1, 2);
  scheduler.submit(1, 0, 100);
  CHECK(scheduler.assigned == Slots{0, 1});
  for (std::uint32_t slot = 0; slot < 50; ++slot) {
    scheduler.finish(slot, 1e-6);
    std::set<int> holders;
    for (const std::uint32_t held : scheduler.assigned) {
      if (!scheduler.is_done(held)) holders.insert(scheduler.worker_of[held]);
    }
    CHECK(holders.size() <= 2);
  }
  scheduler.start(2, 1000);
  scheduler.submit(2, 1000, 1010);
  std::set<int> second;
  for (const std::uint32_t slot : scheduler.assigned) {
    if (slot >= 1000) second.insert(scheduler.worker_of[slot]);
  }
  CHECK(second.size() >= 6);
}

TEST_CASE("workers hold tiny tasks ahead once they are measured") {
  ScriptedScheduler scheduler(2, {.prefetch_seconds = 1e-3, .max_credits = 8});
  scheduler.start(1);
  scheduler.submit(1, 0, 100);
  CHECK(scheduler.held_by(1) == 1);
  scheduler.finish(0, 1e-6);
  CHECK(scheduler.held_by(1) == 8);
  CHECK(scheduler.held_by(2) == 8);
}

TEST_CASE("workers hold only the running task of a call of long ones") {
  ScriptedScheduler scheduler(2, {.prefetch_seconds = 1e-3, .max_credits = 8});
  scheduler.start(1);
  scheduler.submit(1, 0, 20);
  for (std::uint32_t slot = 0; slot < 10; ++slot) {
    scheduler.finish(slot, 0.1);
    CHECK(scheduler.held_by(1) == 1);
    CHECK(scheduler.held_by(2) == 1);
  }
}

TEST_CASE("calls that compete hold nothing ahead") {
  ScriptedScheduler scheduler(1, {.prefetch_seconds = 1e-3, .max_credits = 8});
  scheduler.start(1);
  scheduler.start(2);
  scheduler.submit(1, 0, 50);
  scheduler.submit(2, 100, 150);
  for (int turn = 0; turn < 20; ++turn) {
    scheduler.finish(scheduler.assigned.back(), 1e-6);
    CHECK(scheduler.held_by(1) == 1);
  }
}

TEST_CASE("when a call ends its waiting tasks are dropped and the workers that hold others are told") {
  ScriptedScheduler scheduler(3);
  scheduler.start(1, 2);
  scheduler.submit(1, 0, 5);
  scheduler.tell(event::CallEnded{CallId{1}});
  CHECK(scheduler.discarded == Slots{2, 3, 4});
  CHECK(scheduler.cancelled_at == std::set{scheduler.worker_of[0], scheduler.worker_of[1]});
}

TEST_CASE("late finishes of an ended call are discarded and free their workers") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1);
  scheduler.submit(1, 0, 2);
  scheduler.tell(event::CallEnded{CallId{1}});
  scheduler.start(2);
  scheduler.submit(2, 10, 11);
  CHECK(scheduler.assigned == Slots{0});
  scheduler.finish(0);
  CHECK(scheduler.completed.empty());
  CHECK(scheduler.discarded == Slots{1, 0});
  CHECK(scheduler.assigned == Slots{0, 10});
  scheduler.finish(10);
  CHECK(scheduler.completed == Slots{10});
}

TEST_CASE("a call that ends without tasks asks for nothing") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.tell(event::CallEnded{CallId{1}});
  CHECK(scheduler.discarded.empty());
  CHECK(scheduler.cancelled_at.empty());
  scheduler.start(2);
  scheduler.submit(2, 0, 1);
  CHECK(scheduler.assigned == Slots{0});
}

TEST_CASE("a slot that is used again belongs to its new task") {
  ScriptedScheduler scheduler(1);
  scheduler.start(1);
  scheduler.submit(1, 0, 1);
  scheduler.finish(0);
  scheduler.tell(event::TaskSubmitted{TaskId{0, 1}, CallId{1}});
  scheduler.tell(event::TaskFinished{TaskId{0, 1}, 1.0});
  CHECK(scheduler.completed == Slots{0, 0});
}

TEST_CASE("of a stopped call no task starts any more, and what runs goes on without another attempt") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit(1, 0, 5);
  CHECK(scheduler.assigned == Slots{0, 1});
  scheduler.tell(event::CallStopped{CallId{1}});
  CHECK(scheduler.withdrawn == Slots{2, 3, 4});
  CHECK(scheduler.stopped_at == std::set{1, 2});
  CHECK(scheduler.cancelled_at.empty());
  scheduler.submit(1, 5, 6);
  CHECK(scheduler.withdrawn == Slots{2, 3, 4, 5});
  scheduler.finish(0);
  CHECK(scheduler.completed == Slots{0});
  scheduler.fail(1, TaskEnding::lost);
  CHECK(scheduler.completed == Slots{0, 1});
  CHECK(scheduler.assigned == Slots{0, 1});
  scheduler.tell(event::CallEnded{CallId{1}});
  scheduler.start(2);
  scheduler.submit(2, 6, 7);
  CHECK(scheduler.assigned == Slots{0, 1, 6});
}

TEST_CASE("a stopped call's task that is lost with its worker is given up") {
  ScriptedScheduler scheduler(2);
  scheduler.start(1);
  scheduler.submit(1, 0, 2);
  scheduler.tell(event::CallStopped{CallId{1}});
  scheduler.lose(scheduler.worker_of.at(1));
  CHECK(scheduler.given_up == Slots{1});
  CHECK(scheduler.assigned == Slots{0, 1});
}
