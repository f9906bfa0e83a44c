#include "worker/worker_bench.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using namespace std::chrono_literals;

TEST_CASE("a worker without messages has nothing to do") {
  WorkerBench bench;
  CHECK_FALSE(bench.worker.step());
  CHECK(bench.said().empty());
  CHECK_FALSE(bench.worker.stopped());
}

TEST_CASE("a worker begins when rank 0 says so, and ignores what is late from the run before") {
  WorkerBench bench(WorkerBench::Begun::no);
  bench.worker.watch_room([] { return std::uint64_t{5}; });
  bench.tell(to_worker::Ping{});
  bench.tell(to_worker::DropObject{ObjectId{7}}, run_task(1));
  bench.work();
  for (int second = 0; second < 5; ++second) bench.worker.attend(Worker::Clock::time_point(second * 1s));
  CHECK(bench.said().empty());
  CHECK(bench.store.dropped.empty());
  CHECK_FALSE(bench.executor.running);

  bench.tell(to_worker::Ping{}, to_worker::Begin{}, run_task(2));
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_coordinator::Hello>(messages[0]).epoch == 0);
  CHECK(bench.executor.running.value().task == TaskId{2, 0});
}

TEST_CASE("a worker that has said goodbye leaves what comes to the next run, even while it still sends") {
  WorkerBench bench;
  bench.transport.set_quiet(false);
  bench.tell(to_worker::Stop{0, ""});
  bench.tell(to_worker::Begin{}, run_task(1));
  bench.work();
  bench.worker.attend(Worker::Clock::now());
  CHECK(bench.said().size() == 1);
  CHECK_FALSE(bench.executor.running);
  bench.transport.set_quiet(true);
  CHECK(bench.worker.stopped());

  Worker next_run(bench.transport, bench.store, bench.executor, bench.waiter, bench.settings);
  while (next_run.step()) {
  }
  CHECK(std::holds_alternative<to_coordinator::Hello>(bench.said().at(0)));
  CHECK(bench.executor.running.value().task == TaskId{1, 0});
}

TEST_CASE("a worker says goodbye last and leaves once everything is sent") {
  WorkerBench bench;
  bench.tell(run_task(1), run_task(2));
  bench.work();
  bench.tell(to_worker::Stop{3, "why"});
  bench.work();
  CHECK(bench.executor.interrupts == 1);
  CHECK_FALSE(bench.worker.stopped());
  bench.executor.finish(0.5);
  bench.transport.set_quiet(false);
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 3);
  CHECK(std::get<to_coordinator::TaskFinished>(messages[0]).ending == TaskEnding::cancelled);
  CHECK(std::get<to_coordinator::TaskFinished>(messages[1]).ending == TaskEnding::cancelled);
  CHECK(std::holds_alternative<to_coordinator::Goodbye>(messages[2]));
  CHECK_FALSE(bench.worker.stopped());  // its messages are still being sent
  bench.transport.set_quiet(true);
  CHECK(bench.worker.stopped());
}

TEST_CASE("serving ends with what rank 0 said") {
  WorkerBench bench(WorkerBench::Begun::no);
  bench.executor.at_once = true;
  bench.tell(to_worker::Begin{}, run_task(1));
  bench.tell(to_worker::Stop{4, "broken"});
  const to_worker::Stop stop = bench.worker.serve();
  CHECK(stop.status == 4);
  CHECK(stop.failure == "broken");
  CHECK_FALSE(stop.ranks_lost);
  const auto messages = bench.said();
  REQUIRE(messages.size() == 3);
  CHECK(std::get<to_coordinator::Hello>(messages[0]).answers_during_tasks);
}

TEST_CASE("a worker answers a ping at once") {
  WorkerBench bench;
  bench.tell(to_worker::Ping{});
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::holds_alternative<to_coordinator::Pong>(messages[0]));
}

TEST_CASE("attending to a worker answers and takes messages and starts no task") {
  WorkerBench bench;
  bench.tell(run_task(1, 1));
  bench.work();
  bench.tell(to_worker::Ping{});
  bench.tell(run_task(2, 1), run_task(3, 2));
  bench.tell(to_worker::CancelCall{CallId{1}});
  bench.worker.attend(Worker::Clock::now());
  const auto messages = bench.said();
  REQUIRE(messages.size() == 2);
  CHECK(std::holds_alternative<to_coordinator::Pong>(messages[0]));
  CHECK(std::get<to_coordinator::TaskFinished>(messages[1]).task == TaskId{2, 0});
  CHECK(bench.executor.interrupts == 1);
  bench.executor.finish(0.5);
  bench.worker.attend(Worker::Clock::now());
  CHECK_FALSE(bench.executor.running);
  bench.work();
  CHECK(bench.executor.running->task == TaskId{3, 0});
}

TEST_CASE("what fails while a worker is attended to is thrown by its next step") {
  WorkerBench bench;
  bench.transport.arrives(0, Frame{bytes("not a message"), {}});
  bench.worker.attend(Worker::Clock::now());
  CHECK_THROWS_AS(bench.worker.step(), SerializationError);
}
