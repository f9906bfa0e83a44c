#include "worker/worker_bench.hpp"

#include <set>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("rank 0 is lost to a worker when MPI or the system says so, and not before") {
  WorkerBench bench;
  bool has_ended = false;
  std::vector<std::string> reasons;
  bench.worker.on_coordinator_loss(
      {[&] { return has_ended; }, [] { return false; }, [&](const std::string& reason) { reasons.push_back(reason); }});
  bench.worker.attend(Worker::Clock::now());
  CHECK(reasons.empty());
  has_ended = true;
  bench.worker.attend(Worker::Clock::now());
  CHECK(reasons == std::vector<std::string>{"has ended"});
}

TEST_CASE("a worker leaves without a word if rank 0 has ended the session without it") {
  const bool found_by_mpi = GENERATE(false, true);
  WorkerBench bench;
  bool has_ended = false;
  std::vector<std::string> reasons;
  bench.worker.on_coordinator_loss({[&] { return has_ended; }, [] { return false; },
                                    [&](const std::string& reason) { reasons.push_back(reason); },
                                    [] { return std::optional<int>(3); }});
  bench.tell(run_task(1), run_task(2));
  bench.work();
  bench.worker.attend(Worker::Clock::now());
  CHECK(bench.transport.given_up.empty());
  if (found_by_mpi) bench.transport.found_dead = {0};
  has_ended = !found_by_mpi;
  bench.worker.attend(Worker::Clock::now());
  bench.worker.attend(Worker::Clock::now());
  CHECK(bench.transport.given_up == std::set{0});
  CHECK(bench.executor.interrupts == 1);
  CHECK_FALSE(bench.worker.stopped());
  bench.executor.finish(60);
  bench.work();
  CHECK_FALSE(bench.executor.running);
  CHECK(bench.worker.stopped());
  const to_worker::Stop stop = bench.worker.serve();
  CHECK(stop.status == 3);
  CHECK(stop.ranks_lost);
  CHECK(bench.said().empty());
  CHECK(reasons.empty());
}

TEST_CASE("a rank 0 that always asks is lost to a worker after a long silence, unless it is known to live") {
  WorkerBench bench;
  bool is_running = true;
  std::vector<std::string> reasons;
  bench.worker.on_coordinator_loss({[] { return false; }, [&] { return is_running; },
                                    [&](const std::string& reason) { reasons.push_back(reason); }});
  bench.tell(to_worker::Ping{true});
  const auto now = Worker::Clock::now();
  for (int second = 0; second < 1000; ++second) bench.worker.attend(now + std::chrono::seconds(second));
  CHECK(reasons.empty());
  is_running = false;
  for (int second = 1000; reasons.empty() && second < 1100; ++second) {
    bench.worker.attend(now + std::chrono::seconds(second));
  }
  CHECK(reasons == std::vector<std::string>{"was silent for 90 s"});
}

TEST_CASE("a worker that was given up by mistake forgets its tasks and says Hello with what it still has") {
  WorkerBench bench;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3}}, to_worker::ShareObject{ObjectId{8}, {3}}, run_task(1),
             run_task(2));
  bench.work();
  bench.store.arrives(ObjectId{8}, Payload{bytes("abc"), {}});
  bench.tell(to_worker::Rejoin{3});
  bench.work();
  CHECK(bench.executor.interrupts == 1);
  CHECK(bench.said().empty());  // not before the running task has ended
  bench.executor.finish(0.5);
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 2);
  CHECK(std::get<to_coordinator::TaskFinished>(messages[0]).ending == TaskEnding::cancelled);
  const auto& hello = std::get<to_coordinator::Hello>(messages[1]);
  CHECK(hello.answers_during_tasks);
  CHECK(hello.epoch == 3);
  CHECK(hello.objects == std::vector{ObjectId{8}});
  CHECK_FALSE(bench.executor.running);
  bench.tell(to_worker::ObjectContent{ObjectId{9}, Payload{bytes("new"), {}}}, run_task(1, 2, {ObjectId{9}}));
  bench.work();
  CHECK(text(bench.executor.running.value().objects.at(0).value->head) == "new");
  bench.executor.finish(0.5);
  bench.work();
  (void)bench.said();
  bench.tell(to_worker::Rejoin{4});  // the second time; nothing is running
  bench.work();
  CHECK(std::get<to_coordinator::Hello>(bench.said().at(0)).epoch == 4);
}

TEST_CASE("a worker that runs a task on its own thread comes back once the task is over") {
  WorkerBench bench;
  bench.tell(run_task(1));
  bench.work();
  bench.tell(to_worker::Rejoin{1});
  bench.worker.attend(Worker::Clock::now());
  CHECK(bench.said().empty());
  bench.executor.finish(0.5);
  bench.work();
  CHECK(std::holds_alternative<to_coordinator::Hello>(bench.said().back()));
}
