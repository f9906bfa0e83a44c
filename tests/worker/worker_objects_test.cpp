#include "files/file_comparison.hpp"
#include "support/temporary_folder.hpp"
#include "worker/worker_bench.hpp"

#include <filesystem>
#include <fstream>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using namespace std::chrono_literals;

TEST_CASE("a task waits until the objects that it names are here") {
  WorkerBench bench;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3, 2}}, run_task(1, 1, {ObjectId{7}}), run_task(2));
  bench.work();
  CHECK(bench.store.expected.at(ObjectId{7}) == std::vector<std::uint64_t>{3, 2});
  CHECK_FALSE(bench.executor.running);
  bench.store.arrives(ObjectId{7}, Payload{bytes("abc"), {part("de")}});
  bench.work();
  REQUIRE(bench.executor.running);
  REQUIRE(bench.executor.running->objects.size() == 1);
  CHECK(bench.executor.running->objects[0].object == ObjectId{7});
  CHECK(text(bench.executor.running->objects[0].value->head) == "abc");
}

TEST_CASE("results are not held back behind a task that waits for its object") {
  WorkerBench bench;
  bench.executor.at_once = true;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3}}, run_task(1), run_task(2, 1, {ObjectId{7}}));
  bench.work();
  bench.worker.step();
  CHECK(bench.finished().size() == 1);
}

TEST_CASE("a dropped object leaves the store and the executor") {
  WorkerBench bench;
  bench.tell(to_worker::DropObject{ObjectId{7}});
  bench.work();
  CHECK(bench.store.dropped == std::vector{ObjectId{7}});
  CHECK(bench.executor.forgotten == std::vector{ObjectId{7}});
}

TEST_CASE("when broadcasts end a worker names what it lacks and runs the task once that is sent") {
  WorkerBench bench;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3}}, to_worker::ShareObject{ObjectId{8}, {3}},
             run_task(1, 1, {ObjectId{7}}));
  bench.work();
  bench.store.arrives(ObjectId{8}, Payload{bytes("abc"), {}});
  bench.tell(to_worker::BroadcastsEnded{});
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_coordinator::ObjectsMissing>(messages[0]).objects == std::vector{ObjectId{7}});
  CHECK_FALSE(bench.executor.running);
  bench.tell(to_worker::ObjectContent{ObjectId{7}, Payload{bytes("def"), {}}});
  bench.work();
  REQUIRE(bench.executor.running);
  CHECK(text(bench.executor.running->objects.at(0).value->head) == "def");
}

TEST_CASE("a worker that watches its node's memory tells rank 0 what is left, also while a task runs") {
  WorkerBench bench;
  std::uint64_t left = 1000;
  bench.worker.watch_room([&] { return left; });
  const auto now = Worker::Clock::now();
  bench.worker.attend(now);
  auto said = bench.said();
  REQUIRE(said.size() == 1);
  CHECK(std::get<to_coordinator::RoomLeft>(said[0]).bytes == 1000);

  left = 500;
  bench.worker.attend(now + 1s);
  CHECK(bench.said().empty());  // it holds no objects
  bench.store.put(ObjectId{1}, {});
  bench.tell(run_task(1));
  bench.work();
  REQUIRE(bench.executor.running);
  bench.worker.attend(now + 2s);
  said = bench.said();
  REQUIRE(said.size() == 1);
  CHECK(std::get<to_coordinator::RoomLeft>(said[0]).bytes == 500);

  bench.tell(to_worker::Rejoin{1});
  left = 100;
  bench.worker.attend(now + 3s);
  CHECK(bench.said().empty());  // rank 0 would ignore it
  bench.executor.finish(0.1);
  bench.work();
  bench.worker.attend(now + 4s);
  said = bench.said();
  REQUIRE(said.size() == 3);  // the task's end, which rank 0 ignores, is the first
  CHECK(std::get<to_coordinator::Hello>(said[1]).epoch == 1);
  CHECK(std::get<to_coordinator::RoomLeft>(said[2]).bytes == 100);
}

TEST_CASE("a worker says whether it has a file of rank 0, also while a task runs") {
  const TemporaryFolder folder;
  const auto path = folder / "data";
  std::ofstream(path) << "content";
  const FileIdentity file = identify_file(std::filesystem::canonical(path).string(), FileUse::reading, "");
  WorkerBench bench;
  bench.tell(to_worker::CompareFile{3, file});
  bench.work();
  auto said = bench.said();
  REQUIRE(said.size() == 1);
  CHECK(std::get<to_coordinator::FileCompared>(said[0]).question == 3);
  CHECK(std::get<to_coordinator::FileCompared>(said[0]).reason.empty());
  std::filesystem::remove(path);
  bench.tell(to_worker::RunTask{TaskId{1, 0}, CallId{1}, {}, {}, {}}, to_worker::CompareFile{4, file});
  bench.work();
  said = bench.said();
  REQUIRE(bench.executor.running);
  REQUIRE(said.size() == 1);
  CHECK(std::get<to_coordinator::FileCompared>(said[0]).reason.find("cannot be opened") != std::string::npos);
}

TEST_CASE("an object for which there is no room is refused with the reason") {
  WorkerBench bench;
  Frame frame;
  append(frame, to_worker::ObjectContent{ObjectId{5}, Payload{bytes("head"), {part("large")}}});
  bench.transport.arrives_without_parts(0, std::move(frame), "no room for 5 bytes");
  bench.work();
  CHECK(bench.store.refusal(ObjectId{5}) == "no room for 5 bytes");
  CHECK(bench.store.find(ObjectId{5}) == nullptr);
}
