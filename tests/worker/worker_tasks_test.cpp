#include "worker/worker_bench.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("a worker runs its tasks one after another in their order and reports each") {
  WorkerBench bench;
  bench.tell(run_task(1), run_task(2));
  bench.work();
  REQUIRE(bench.executor.running);
  CHECK(bench.executor.running->task == TaskId{1, 0});
  CHECK(text(bench.executor.running->arguments.head) == "arguments");
  bench.executor.finish(0.25);
  bench.work();
  auto reports = bench.finished();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task == TaskId{1, 0});
  CHECK(reports[0].ending == TaskEnding::returned);
  CHECK(reports[0].seconds == 0.25);
  CHECK(text(reports[0].result.head) == "result");
  CHECK(bench.executor.running->task == TaskId{2, 0});
  bench.executor.finish(0.5, false);
  bench.work();
  reports = bench.finished();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].ending == TaskEnding::raised);
}

TEST_CASE("results of tiny tasks share a message") {
  WorkerBench bench;
  bench.executor.at_once = true;
  bench.tell(run_task(1), run_task(2), run_task(3), run_task(4));
  bench.work();
  CHECK(bench.finished().size() == 4);
  CHECK(bench.frames_sent == 1);
}

TEST_CASE("a cancelled call's waiting tasks are answered without running and its running task is interrupted") {
  WorkerBench bench;
  bench.tell(run_task(1, 1), run_task(2, 1), run_task(3, 2), run_task(4, 1));
  bench.work();
  bench.tell(to_worker::CancelCall{CallId{1}}, to_worker::CancelCall{CallId{1}});
  bench.work();
  CHECK(bench.executor.interrupts == 1);
  auto reports = bench.finished();
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].task == TaskId{2, 0});
  CHECK(reports[1].task == TaskId{4, 0});
  for (const auto& report : reports) CHECK(report.ending == TaskEnding::cancelled);

  bench.executor.finish(0.5);
  bench.work();
  reports = bench.finished();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task == TaskId{1, 0});
  CHECK(reports[0].ending == TaskEnding::cancelled);
  CHECK(reports[0].result.size_bytes() == 0);
  CHECK(bench.executor.running->task == TaskId{3, 0});
}

TEST_CASE("a worker that is asked for tasks returns the last of the call's that it has not started, and forgets them") {
  WorkerBench bench;
  bench.tell(run_task(1, 1), run_task(2, 1), run_task(3, 2), run_task(4, 1), run_task(5, 1));
  bench.work();
  bench.tell(to_worker::TakeBack{CallId{1}, 2});
  bench.work();
  auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_coordinator::Returned>(messages[0]).tasks == std::vector{TaskId{4, 0}, TaskId{5, 0}});
  bench.tell(to_worker::TakeBack{CallId{1}, 9});
  bench.work();
  messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_coordinator::Returned>(messages[0]).tasks == std::vector{TaskId{2, 0}});
  for (const std::uint32_t slot : {1U, 3U}) {
    CHECK(bench.executor.running->task == TaskId{slot, 0});
    bench.executor.finish(0.5);
    bench.work();
  }
  CHECK_FALSE(bench.executor.running);
}

TEST_CASE("a worker that is asked for items gives those of its running batch that have not begun") {
  WorkerBench bench;
  to_worker::RunTask batch = run_task(1, 1);
  batch.items = {10, 40};
  batch.index = 100;
  bench.tell(std::move(batch));
  bench.work();
  CHECK(bench.executor.running->items == ItemRange{10, 40});
  CHECK(bench.executor.running->place.index == 110);  // results of parts have places of their own
  bench.executor.items_left = {20, 30};
  bench.tell(to_worker::TakeBack{CallId{1}, 0, {3, true}});
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  const auto& returned = std::get<to_coordinator::Returned>(messages[0]);
  CHECK(returned.tasks.empty());
  REQUIRE(returned.items);
  CHECK(returned.items->batch == TaskId{1, 0});
  CHECK(returned.items->items == ItemRange{20, 30});
  CHECK(returned.items->workers == 3);
  CHECK(bench.executor.asked.at(0).share);
}

TEST_CASE("a worker gives no items of another call's task, of a cancelled one, nor where none are wanted") {
  WorkerBench bench;
  bench.tell(run_task(1, 1));
  bench.work();
  bench.tell(to_worker::TakeBack{CallId{2}, 0, {1, true}}, to_worker::TakeBack{CallId{1}, 5});
  bench.work();
  bench.tell(to_worker::CancelCall{CallId{1}}, to_worker::TakeBack{CallId{1}, 0, {1, true}});
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 3);
  for (const auto& message : messages) CHECK_FALSE(std::get<to_coordinator::Returned>(message).items);
  CHECK(bench.executor.asked.empty());
}

TEST_CASE("a worker that is asked for tasks while another thread stands in answers at once") {
  WorkerBench bench;
  bench.tell(run_task(1, 1), run_task(2, 1));
  bench.work();
  CHECK(bench.worker.holds_ahead());
  bench.tell(to_worker::TakeBack{CallId{1}, 1});
  bench.worker.attend(Worker::Clock::now());
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_coordinator::Returned>(messages[0]).tasks == std::vector{TaskId{2, 0}});
  CHECK_FALSE(bench.worker.holds_ahead());
}

TEST_CASE("a worker that is asked for tasks tells first of those that have finished") {
  WorkerBench bench;
  bench.executor.at_once = true;
  bench.executor.seconds_at_once = 1e-3;
  bench.tell(run_task(1, 1), run_task(2, 1), run_task(3, 1));
  bench.worker.step();
  bench.tell(to_worker::TakeBack{CallId{1}, 9});
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 3);
  CHECK(std::get<to_coordinator::TaskFinished>(messages[0]).task == TaskId{1, 0});
  CHECK(std::get<to_coordinator::Returned>(messages[1]).tasks == std::vector{TaskId{3, 0}});
  CHECK(std::get<to_coordinator::TaskFinished>(messages[2]).task == TaskId{2, 0});  // the next one was about to start
}

TEST_CASE("a stopped call's waiting tasks are answered without running and its running task goes on") {
  WorkerBench bench;
  bench.tell(run_task(1, 1), run_task(2, 1));
  bench.work();
  bench.tell(to_worker::CancelCall{CallId{1}, WhatRuns::goes_on});
  bench.work();
  CHECK(bench.executor.interrupts == 0);
  bench.executor.finish(0.5);
  bench.work();
  const auto reports = bench.finished();
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].task == TaskId{2, 0});
  CHECK(reports[0].ending == TaskEnding::cancelled);
  CHECK(reports[1].task == TaskId{1, 0});
  CHECK(reports[1].ending == TaskEnding::returned);
}

TEST_CASE("a call that runs elsewhere interrupts nothing when it is cancelled") {
  WorkerBench bench;
  bench.tell(run_task(1, 1));
  bench.work();
  bench.tell(to_worker::CancelCall{CallId{2}});
  bench.work();
  CHECK(bench.executor.interrupts == 0);
  CHECK(bench.said().empty());
}

TEST_CASE("a task that has used up its time and the grace is reported as stuck once") {
  WorkerBench bench;
  auto limited = run_task(1);
  limited.limits.seconds = 1000;
  bench.tell(limited, run_task(2));
  bench.work();
  const auto now = Worker::Clock::now();
  bench.worker.attend(now + std::chrono::seconds(1000));
  CHECK(bench.said().empty());
  for (int look = 0; look < 3; ++look) bench.worker.attend(now + std::chrono::seconds(1001));
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_coordinator::Stuck>(messages[0]).task == TaskId{1, 0});
  bench.executor.finish(0.5);
  bench.work();
  (void)bench.said();
  bench.worker.attend(now + std::chrono::hours(1000));  // this task has no time limit
  CHECK(bench.said().empty());
}

TEST_CASE("a worker whose executor cannot run tasks any more says so once, leaves its tasks to others, and serves on") {
  WorkerBench bench;
  bench.tell(run_task(1), run_task(2), run_task(3));
  bench.work();
  bench.executor.broken_by = "no processes";
  bench.executor.lose();
  bench.tell(run_task(4));
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 2);
  CHECK(std::get<to_coordinator::TaskFinished>(messages[0]).ending == TaskEnding::lost);
  CHECK(std::get<to_coordinator::Broken>(messages[1]).reason == "no processes");
  CHECK_FALSE(bench.executor.running);
  bench.tell(to_worker::Stop{3, ""});
  bench.work();
  CHECK(std::holds_alternative<to_coordinator::Goodbye>(bench.said().at(0)));
}

TEST_CASE("a task for whose arguments there is no room is answered as lost with the reason, and the next one runs") {
  WorkerBench bench;
  auto large = run_task(1);
  large.arguments.parts.push_back(part("large"));
  Frame frame;
  append(frame, large);
  bench.transport.arrives_without_parts(0, std::move(frame), "no room for 5 bytes");
  bench.tell(run_task(2));
  bench.work();
  const auto reports = bench.finished();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task == TaskId{1, 0});
  CHECK(reports[0].ending == TaskEnding::lost);
  CHECK(text(reports[0].result.head) == "no room for 5 bytes");
  REQUIRE(bench.executor.running);
  CHECK(bench.executor.running->task == TaskId{2, 0});
}

TEST_CASE("a long head of a result is sent as a part") {
  WorkerBench bench;
  bench.tell(run_task(1));
  bench.work();
  bench.executor.result = Payload{Bytes(min_part_bytes), {}};
  bench.executor.finish(1);
  bench.work();
  CHECK(bench.finished().at(0).result.long_head.size() == min_part_bytes);
}

TEST_CASE("a worker asks once for the folder of results that spill, and later tasks know it") {
  WorkerBench bench;
  bench.tell(to_worker::SpillInto{{"/scratch", "", ""}}, run_task(1), run_task(2));
  bench.work();
  CHECK(bench.executor.running->place.spill->has_to_be_made());
  CHECK(bench.said().empty());
  bench.executor.wants_folder = true;
  bench.work();
  bench.work();
  const auto said = bench.said();
  REQUIRE(said.size() == 1);
  CHECK(std::get<to_coordinator::SpillFolderWanted>(said[0]).call == CallId{1});
  bench.tell(to_worker::SpillFolderMade{CallId{1}, {"/scratch/job", "/scratch/job/lock", ""}}, run_task(3));
  bench.work();
  CHECK(bench.executor.given == SpillPlace{"/scratch/job", "/scratch/job/lock", "", 1});
  for (int task = 0; task < 2; ++task) {
    bench.executor.finish(1.0);
    bench.work();
    CHECK(*bench.executor.running->place.spill == *bench.executor.given);
  }
}

TEST_CASE("a cancelled task does not wait for a folder") {
  WorkerBench bench;
  bench.tell(to_worker::SpillInto{{"/scratch", "", ""}}, run_task(1));
  bench.work();
  bench.executor.wants_folder = true;
  bench.work();
  bench.tell(to_worker::CancelCall{CallId{1}});
  bench.work();
  CHECK(bench.executor.given.value().folder.empty());
  bench.tell(to_worker::SpillFolderMade{CallId{1}, {"/scratch/job", "/scratch/job/lock", ""}});
  bench.executor.finish(1.0);
  bench.work();
  const auto said = bench.said();
  REQUIRE(said.size() == 2);
  CHECK(std::get<to_coordinator::TaskFinished>(said[1]).ending == TaskEnding::cancelled);
}

TEST_CASE("tiny tasks run one after another in one turn, and their results share a message") {
  WorkerBench bench;
  bench.executor.at_once = true;
  bench.tell(run_task(1), run_task(2), run_task(3));
  CHECK(bench.worker.step());
  const auto messages = bench.said();
  REQUIRE(messages.size() == 3);
  for (std::uint32_t slot = 1; slot <= 3; ++slot) {
    CHECK(std::get<to_coordinator::TaskFinished>(messages[slot - 1]).task.slot == slot);
  }
  CHECK(bench.frames_sent == 1);
}

TEST_CASE("a task that takes long is followed by a look for messages") {
  WorkerBench bench;
  bench.executor.at_once = true;
  bench.executor.seconds_at_once = 1e-3;
  bench.tell(run_task(1), run_task(2));
  CHECK(bench.worker.step());
  bench.tell(to_worker::CancelCall{CallId{1}});
  bench.work();
  const auto tasks = bench.finished();
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].ending == TaskEnding::returned);
  CHECK(tasks[1].ending == TaskEnding::cancelled);
}
