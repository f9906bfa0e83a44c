#include "scheduler/scheduler.hpp"
#include "support/catch.hpp"
#include "support/scripted_scheduler.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

using Parts = std::vector<event::BatchDivided::Part>;

/// Workers that give back items, of which the first one runs a batch of call 1, task 0.
class BatchHolder : public ScriptedScheduler {
 public:
  explicit BatchHolder(int workers, std::size_t items = 50) : ScriptedScheduler(workers) {
    for (int worker = 1; worker <= workers; ++worker) tell(event::WorkerGivesBack{WorkerId{worker}});
    start(1);
    submit_batch(0, items);
    REQUIRE(tasks_of(1) == Slots{0});
  }
  void submit_batch(std::uint32_t slot, std::size_t items, std::uint64_t call = 1) {
    tell(event::TaskSubmitted{TaskId{slot, 0}, CallId{call}, {}, items});
  }
  /// Lets the worker answer that its batch keeps `left` items, and the others are these tasks.
  void divide(int worker, std::size_t left, Parts parts) {
    const TaskId batch{tasks_of(worker).front(), 0};
    tell(event::TasksReturned{WorkerId{worker}, {}, event::BatchDivided{batch, left, std::move(parts)}});
  }
};

event::BatchDivided::Part part(std::uint32_t slot, std::size_t items) {
  return {TaskId{slot, 0}, items};
}

}  // namespace

TEST_CASE("in a lull the items of a running batch that have not begun go to all idle workers") {
  BatchHolder scheduler(3);
  CHECK(scheduler.asked.empty());
  CHECK(scheduler.waits_for_lull());
  scheduler.tell(event::Lull{});
  REQUIRE(scheduler.asked.size() == 1);
  CHECK(scheduler.asked[0].worker == WorkerId{1});
  CHECK(scheduler.asked[0].most == 0);
  CHECK(scheduler.asked[0].seekers.workers == 2);
  CHECK_FALSE(scheduler.asked[0].seekers.share);
  scheduler.divide(1, 1, {part(1, 25), part(2, 24)});
  CHECK(scheduler.tasks_of(2) == Slots{1});
  CHECK(scheduler.tasks_of(3) == Slots{2});
}

TEST_CASE("an idle worker gets its share of the largest running batch once a batch is known to take long") {
  BatchHolder scheduler(3);
  scheduler.submit_batch(1, 10);
  scheduler.submit_batch(2, 10);
  scheduler.finish(1, 0.02);
  REQUIRE(scheduler.asked.size() == 1);
  CHECK(scheduler.asked[0].worker == WorkerId{1});
  CHECK(scheduler.asked[0].seekers.workers == 1);
  CHECK(scheduler.asked[0].seekers.share);
  scheduler.divide(1, 30, {part(3, 20)});
  CHECK(scheduler.tasks_of(2) == Slots{3});
  scheduler.finish(3, 0.02);
  REQUIRE(scheduler.asked.size() == 2);
  CHECK(scheduler.asked[1].worker == WorkerId{1});  // the 30 that it keeps are still the most
}

TEST_CASE("a batch of which no item was left is not asked again") {
  BatchHolder scheduler(2);
  scheduler.tell(event::Lull{});
  REQUIRE(scheduler.asked.size() == 1);
  scheduler.divide(1, 50, {});
  scheduler.tell(event::Lull{});
  CHECK(scheduler.asked.size() == 1);
  CHECK_FALSE(scheduler.waits_for_lull());
  scheduler.finish(0, 0.02);
  scheduler.submit_batch(1, 5);
  CHECK(scheduler.asked.size() == 2);  // but the next one is
}

TEST_CASE("a batch that ends before its worker is asked leaves the worker to be asked again") {
  BatchHolder scheduler(2);
  scheduler.tell(event::Lull{});
  scheduler.finish(0, 0.02);
  scheduler.submit_batch(1, 5);
  CHECK(scheduler.asked.size() == 1);
  scheduler.tell(event::TasksReturned{WorkerId{1}, {}, {}});
  CHECK(scheduler.asked.size() == 2);
}

TEST_CASE("parts of a batch start in the place of their batch and have all attempts") {
  BatchHolder scheduler(1);
  scheduler.submit_batch(1, 1);
  scheduler.start(2);
  scheduler.submit_batch(9, 1, 2);
  scheduler.tell(event::Lull{});
  REQUIRE(scheduler.asked.size() == 1);  // for the other call, although no worker is idle
  CHECK_FALSE(scheduler.asked[0].seekers.share);
  scheduler.divide(1, 1, {part(2, 49)});
  scheduler.finish(0, 1.0);
  CHECK(scheduler.tasks_of(1) == Slots{9});
  scheduler.finish(9, 1.0);
  CHECK(scheduler.tasks_of(1) == Slots{2});  // before task 1, which was submitted after the batch
  for (int attempt = 0; attempt < 3; ++attempt) {
    CHECK_FALSE(scheduler.is_done(2));
    scheduler.fail(2, TaskEnding::lost);
  }
  CHECK(scheduler.is_done(2));
}

TEST_CASE("a batch keeps its worker for no longer than tasks that are held ahead while another call waits") {
  BatchHolder scheduler(1);
  scheduler.finish(0, 1e-3);
  scheduler.submit_batch(1, 50);
  scheduler.start(2);
  scheduler.submit_batch(9, 1, 2);
  CHECK(scheduler.asked.empty());  // it takes a millisecond
  CHECK(scheduler.waits_for_lull());
  scheduler.finish(1, 1.0);
  scheduler.finish(9, 1e-3);
  scheduler.submit_batch(2, 50);
  scheduler.start(3);
  scheduler.submit_batch(10, 1, 3);
  CHECK(scheduler.asked.size() == 1);
}

TEST_CASE("parts of a batch whose call was stopped or has ended do not start") {
  BatchHolder scheduler(2);
  scheduler.tell(event::Lull{});
  SECTION("stopped") {
    scheduler.tell(event::CallStopped{CallId{1}});
    scheduler.divide(1, 1, {part(1, 49)});
    CHECK(scheduler.withdrawn == Slots{1});
  }
  SECTION("ended") {
    scheduler.tell(event::CallEnded{CallId{1}});
    scheduler.divide(1, 1, {part(1, 49)});
    CHECK(scheduler.discarded == Slots{1});
    scheduler.finish(0);
    CHECK(scheduler.discarded == Slots{1, 0});
  }
  CHECK(scheduler.held_by(2) == 0);
}

TEST_CASE("a batch that has failed, and one for a certain worker, are not divided") {
  BatchHolder scheduler(2);
  SECTION("failed") {
    scheduler.fail(0, TaskEnding::lost);
  }
  SECTION("for a worker") {
    scheduler.finish(0, 1.0);
    scheduler.tell(event::TaskSubmitted{TaskId{1, 0}, CallId{1}, WorkerId{2}, 50});
  }
  scheduler.tell(event::Lull{});
  CHECK(scheduler.asked.empty());
}

TEST_CASE("a batch is lost with its worker, and its parts are not") {
  BatchHolder scheduler(3);
  scheduler.tell(event::Lull{});
  scheduler.divide(1, 1, {part(1, 25), part(2, 24)});
  scheduler.lose(1);
  scheduler.finish(1, 1.0);
  scheduler.finish(2, 1.0);
  CHECK(scheduler.attempts(0) == 2);
  CHECK(scheduler.completed == Slots{1, 2});
}
