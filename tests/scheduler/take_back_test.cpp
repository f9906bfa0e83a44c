#include "scheduler/scheduler.hpp"
#include "support/catch.hpp"
#include "support/scripted_scheduler.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Workers that give tasks back and hold some of call 1 ahead, whose tasks take a millisecond.
class Holders : public ScriptedScheduler {
 public:
  explicit Holders(int workers = 2) : ScriptedScheduler(workers, {.prefetch_seconds = 1.0, .max_credits = 8}) {
    for (int worker = 1; worker <= workers; ++worker) tell(event::WorkerGivesBack{WorkerId{worker}});
    start(1);
    submit(1, 0, 18);
    finish(0, 1e-3);  // from the first measure on, tasks are held ahead
    REQUIRE(held_by(workers) > 2);
  }
  /// Finishes what the worker holds and gets for that, except `kept`, until it is idle.
  void finish_all_of(int worker, std::optional<std::uint32_t> kept = {}) {
    for (;;) {
      auto tasks = tasks_of(worker);
      if (kept) std::erase(tasks, *kept);
      if (tasks.empty()) return;
      finish(tasks.front(), 1e-3);
    }
  }
};

}  // namespace

TEST_CASE("an idle worker gets half of what another worker holds ahead") {
  Holders scheduler;
  scheduler.finish_all_of(1);
  REQUIRE(scheduler.asked.size() == 1);
  CHECK(scheduler.asked[0].worker == WorkerId{2});
  const std::size_t waiting = scheduler.held_by(2) - 1;
  CHECK(scheduler.asked[0].most == (waiting + 1) / 2);
  const Slots last = scheduler.give_back(2, scheduler.asked[0].most);
  CHECK(scheduler.tasks_of(1) == Slots{last.front()});
}

TEST_CASE("a worker is asked once until it has answered") {
  Holders scheduler;
  scheduler.finish_all_of(1);
  scheduler.finish(scheduler.tasks_of(2).front(), 1e-3);
  CHECK(scheduler.asked.size() == 1);
  scheduler.give_back(2, 0);
  CHECK(scheduler.asked.size() == 2);  // it holds as much as before, and the other one is idle still
}

TEST_CASE("the more workers are idle when the holder has answered, the less it keeps") {
  Holders scheduler(2);
  scheduler.finish_all_of(1);
  REQUIRE(scheduler.asked.size() == 1);
  for (const int worker : {3, 4}) scheduler.tell(event::WorkerJoined{WorkerId{worker}, true});
  CHECK(scheduler.asked.size() == 1);
  scheduler.give_back(2, 0);
  REQUIRE(scheduler.asked.size() == 2);
  const std::size_t waiting = scheduler.held_by(2) - 1;
  CHECK(scheduler.asked[1].most == (3 * waiting + 3) / 4);
}

TEST_CASE("workers that cannot answer during a task are not asked and hold less ahead") {
  ScriptedScheduler scheduler(2, {.prefetch_seconds = 4.5e-3, .most_prefetch_seconds_for_good = 2.5e-3});
  scheduler.tell(event::WorkerGivesBack{WorkerId{1}});
  scheduler.start(1);
  scheduler.submit(1, 0, 40);
  scheduler.finish(0, 1e-3);
  CHECK(scheduler.held_by(1) == 3);
  scheduler.tell(event::WorkerGivesBack{WorkerId{2}});
  scheduler.finish(scheduler.tasks_of(1).front(), 1e-3);
  CHECK(scheduler.held_by(1) == 5);
}

TEST_CASE("tasks that start sooner than a message arrives are asked for in a lull only, and then all of them") {
  ScriptedScheduler scheduler(2, {.prefetch_seconds = 1.0, .max_credits = 8});
  for (const int worker : {1, 2}) scheduler.tell(event::WorkerGivesBack{WorkerId{worker}});
  scheduler.start(1);
  scheduler.submit(1, 0, 17);
  scheduler.finish(0, 1e-6);
  while (scheduler.held_by(1) > 0) scheduler.finish(scheduler.tasks_of(1).front(), 1e-6);
  CHECK(scheduler.asked.empty());
  CHECK(scheduler.waits_for_lull());
  scheduler.tell(event::Lull{});
  REQUIRE(scheduler.asked.size() == 1);
  CHECK(scheduler.asked[0].most == scheduler.held_by(2) - 1);
  CHECK_FALSE(scheduler.waits_for_lull());
}

TEST_CASE("a call that starts beside one that fills the workers gets them after the running tasks") {
  Holders scheduler;
  scheduler.start(2);
  scheduler.submit(2, 100, 102);
  REQUIRE(scheduler.asked.size() == 2);
  for (const int worker : {1, 2}) {
    scheduler.give_back(worker, scheduler.held_by(worker) - 1);
    scheduler.finish(scheduler.tasks_of(worker).front(), 1e-3);
  }
  CHECK(scheduler.attempts(100) + scheduler.attempts(101) >= 1);
}

TEST_CASE("tasks that come back keep their place and have not had an attempt") {
  ScriptedScheduler scheduler(1, {.prefetch_seconds = 1.0, .max_credits = 8});
  scheduler.tell(event::WorkerGivesBack{WorkerId{1}});
  scheduler.start(1, 1000, 1);
  scheduler.submit(1, 0, 20);
  scheduler.finish(0, 1e-3);
  scheduler.start(2);
  scheduler.submit(2, 100, 101);
  REQUIRE(scheduler.asked.size() == 1);
  CHECK(scheduler.give_back(1, 7) == Slots{2, 3, 4, 5, 6, 7, 8});
  scheduler.finish(1, 1e-3);
  scheduler.finish(100, 1e-3);
  scheduler.assigned.clear();
  for (std::uint32_t slot = 2; slot < 20; ++slot) scheduler.finish(slot, 1e-3);
  CHECK(std::ranges::is_sorted(scheduler.assigned));
  CHECK(scheduler.given_up.empty());
}

TEST_CASE("a task that comes back has all its attempts left") {
  Holders scheduler;
  scheduler.finish_all_of(1);
  const Slots last = scheduler.give_back(2, scheduler.asked.at(0).most);
  const std::uint32_t task = last.front();
  for (int attempt = 0; attempt < 3; ++attempt) {
    CHECK_FALSE(scheduler.is_done(task));
    scheduler.finish(task, 1e-3, TaskEnding::lost);
    for (const int worker : {1, 2}) scheduler.finish_all_of(worker, task);
  }
  CHECK(scheduler.is_done(task));
}

TEST_CASE("tasks that come back to a call that was stopped or has ended do not start") {
  Holders scheduler;
  scheduler.finish_all_of(1);
  SECTION("stopped") {
    scheduler.tell(event::CallStopped{CallId{1}});
    const Slots last = scheduler.give_back(2, 2);
    CHECK(scheduler.withdrawn == last);
  }
  SECTION("ended") {
    scheduler.tell(event::CallEnded{CallId{1}});
    const Slots last = scheduler.give_back(2, 2);
    CHECK(scheduler.discarded == last);
  }
  CHECK(scheduler.held_by(1) == 0);
}

TEST_CASE("a worker that is lost before it answers is charged for what it holds") {
  Holders scheduler;
  scheduler.finish_all_of(1);
  const Slots held = scheduler.tasks_of(2);
  scheduler.lose(2);
  CHECK(scheduler.held_by(1) == 1);  // each of them runs alone, since any may have been the cause
  for (std::size_t runs = 0; runs < held.size(); ++runs) scheduler.finish(scheduler.tasks_of(1).front());
  for (const std::uint32_t slot : held) CHECK(scheduler.attempts(slot) == 2);
}

TEST_CASE("a call that may use no more workers takes nothing back for the others") {
  ScriptedScheduler scheduler(3, {.prefetch_seconds = 1.0, .max_credits = 8});
  for (int worker = 1; worker <= 3; ++worker) scheduler.tell(event::WorkerGivesBack{WorkerId{worker}});
  scheduler.start(1, 1);
  scheduler.submit(1, 0, 20);
  scheduler.finish(0, 1e-3);
  CHECK(scheduler.asked.empty());
}
