#include "worker/worker.hpp"

#include "files/file_comparison.hpp"
#include "protocol/wire_format.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/scripted_store.hpp"
#include "support/scripted_transport.hpp"
#include "support/temporary_folder.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using namespace std::chrono_literals;

namespace {

/// An executor that runs what the test lets it run; it refuses a second task beside a running one.
class ScriptedExecutor final : public Executor {
 public:
  void start(ExecutorTask task) override {
    if (running) throw std::logic_error("started a task while another runs");
    running = std::move(task);
    if (at_once) finish(1e-6);
  }
  std::optional<ExecutedTask> take_finished() override { return std::exchange(finished_, std::nullopt); }
  void interrupt() override {
    if (!running) throw std::logic_error("interrupted without a running task");
    ++interrupts;
  }
  [[nodiscard]] std::optional<std::string> broken() const override { return broken_by; }
  void forget(ObjectId object) override { forgotten.push_back(object); }
  [[nodiscard]] bool wants_spill_folder() const override { return wants_folder; }
  void give_spill_folder(std::shared_ptr<const SpillPlace> place) override {
    if (!std::exchange(wants_folder, false)) throw std::logic_error("given a folder that it does not want");
    given = *place;
  }

  void finish(double seconds, bool returned = true) {
    finished_.emplace(running.value().task, returned ? TaskEnding::returned : TaskEnding::raised, seconds, result);
    running.reset();
  }

  void lose() {
    finished_.emplace(running.value().task, TaskEnding::lost, 0.0, Payload{bytes("signal 9 (SIGKILL)"), {}});
    running.reset();
  }

  bool at_once = false;
  bool wants_folder = false;
  std::optional<SpillPlace> given;
  Payload result{bytes("result"), {}};
  std::optional<std::string> broken_by;
  std::optional<ExecutorTask> running;
  int interrupts = 0;
  std::vector<ObjectId> forgotten;

 private:
  std::optional<ExecutedTask> finished_;
};

/// Worker 1 of a cluster in which the test plays rank 0.
struct Bench {
  /// Makes a worker that has begun.
  Bench() : Bench(Begun::no) {
    tell(to_worker::Begin{});
    worker.step();
    (void)transport.take_sent();
  }
  enum class Begun { no };
  explicit Bench(Begun) {}

  Settings settings;
  ScriptedTransport transport{1, 2};
  ScriptedStore store;
  ScriptedExecutor executor;
  IdleWaiter waiter{settings, false};
  Worker worker{transport, store, executor, waiter, settings};
  std::size_t frames_sent = 0;

  template <class... Messages>
  void tell(Messages&&... messages) {
    Frame frame;
    (append(frame, std::forward<Messages>(messages)), ...);
    transport.arrives(0, std::move(frame));
  }
  void work() {
    while (worker.step()) {
    }
  }
  /// Returns the messages sent to rank 0 since the last call.
  std::vector<MessageToCoordinator> said() {
    std::vector<MessageToCoordinator> messages;
    for (const auto& sent : transport.take_sent()) {
      CHECK(sent.destination == 0);
      ++frames_sent;
      for (FrameReader reader({sent.frame.body, sent.frame.parts}); !reader.at_end();) {
        messages.push_back(reader.next_to_coordinator());
      }
    }
    return messages;
  }
  std::vector<to_coordinator::TaskFinished> finished() {
    std::vector<to_coordinator::TaskFinished> tasks;
    for (auto& message : said()) tasks.push_back(std::get<to_coordinator::TaskFinished>(std::move(message)));
    return tasks;
  }
};

to_worker::RunTask run(std::uint32_t slot, std::uint64_t call = 1, std::vector<ObjectId> objects = {}) {
  return {TaskId{slot, 0}, CallId{call}, {}, std::move(objects), Payload{bytes("arguments"), {}}};
}

}  // namespace

TEST_CASE("a worker without messages has nothing to do") {
  Bench bench;
  CHECK_FALSE(bench.worker.step());
  CHECK(bench.said().empty());
  CHECK_FALSE(bench.worker.stopped());
}

TEST_CASE("a worker runs its tasks one after another in their order and reports each") {
  Bench bench;
  bench.tell(run(1), run(2));
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
  Bench bench;
  bench.executor.at_once = true;
  bench.tell(run(1), run(2), run(3), run(4));
  bench.work();
  CHECK(bench.finished().size() == 4);
  CHECK(bench.frames_sent == 1);
}

TEST_CASE("a task waits until the objects that it names are here") {
  Bench bench;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3, 2}}, run(1, 1, {ObjectId{7}}), run(2));
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
  Bench bench;
  bench.executor.at_once = true;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3}}, run(1), run(2, 1, {ObjectId{7}}));
  bench.work();
  bench.worker.step();
  CHECK(bench.finished().size() == 1);
}

TEST_CASE("a dropped object leaves the store and the executor") {
  Bench bench;
  bench.tell(to_worker::DropObject{ObjectId{7}});
  bench.work();
  CHECK(bench.store.dropped == std::vector{ObjectId{7}});
  CHECK(bench.executor.forgotten == std::vector{ObjectId{7}});
}

TEST_CASE("a cancelled call's waiting tasks are answered without running and its running task is interrupted") {
  Bench bench;
  bench.tell(run(1, 1), run(2, 1), run(3, 2), run(4, 1));
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

TEST_CASE("a stopped call's waiting tasks are answered without running and its running task goes on") {
  Bench bench;
  bench.tell(run(1, 1), run(2, 1));
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
  Bench bench;
  bench.tell(run(1, 1));
  bench.work();
  bench.tell(to_worker::CancelCall{CallId{2}});
  bench.work();
  CHECK(bench.executor.interrupts == 0);
  CHECK(bench.said().empty());
}

TEST_CASE("a worker begins when rank 0 says so, and ignores what is late from the run before") {
  Bench bench(Bench::Begun::no);
  bench.worker.watch_room([] { return std::uint64_t{5}; });
  bench.tell(to_worker::Ping{});
  bench.tell(to_worker::DropObject{ObjectId{7}}, run(1));
  bench.work();
  for (int second = 0; second < 5; ++second) bench.worker.attend(Worker::Clock::time_point(second * 1s));
  CHECK(bench.said().empty());
  CHECK(bench.store.dropped.empty());
  CHECK_FALSE(bench.executor.running);

  bench.tell(to_worker::Ping{}, to_worker::Begin{}, run(2));
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_coordinator::Hello>(messages[0]).epoch == 0);
  CHECK(bench.executor.running.value().task == TaskId{2, 0});
}

TEST_CASE("a worker that has said goodbye leaves what comes to the next run, even while it still sends") {
  Bench bench;
  bench.transport.set_quiet(false);
  bench.tell(to_worker::Stop{0, ""});
  bench.tell(to_worker::Begin{}, run(1));
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
  Bench bench;
  bench.tell(run(1), run(2));
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
  Bench bench(Bench::Begun::no);
  bench.executor.at_once = true;
  bench.tell(to_worker::Begin{}, run(1));
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
  Bench bench;
  bench.tell(to_worker::Ping{});
  bench.work();
  const auto messages = bench.said();
  REQUIRE(messages.size() == 1);
  CHECK(std::holds_alternative<to_coordinator::Pong>(messages[0]));
}

TEST_CASE("when broadcasts end a worker names what it lacks and runs the task once that is sent") {
  Bench bench;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3}}, to_worker::ShareObject{ObjectId{8}, {3}},
             run(1, 1, {ObjectId{7}}));
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

TEST_CASE("attending to a worker answers and takes messages and starts no task") {
  Bench bench;
  bench.tell(run(1, 1));
  bench.work();
  bench.tell(to_worker::Ping{});
  bench.tell(run(2, 1), run(3, 2));
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

TEST_CASE("a task that has used up its time and the grace is reported as stuck once") {
  Bench bench;
  auto limited = run(1);
  limited.limits.seconds = 1000;
  bench.tell(limited, run(2));
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

TEST_CASE("what fails while a worker is attended to is thrown by its next step") {
  Bench bench;
  bench.transport.arrives(0, Frame{bytes("not a message"), {}});
  bench.worker.attend(Worker::Clock::now());
  CHECK_THROWS_AS(bench.worker.step(), SerializationError);
}

TEST_CASE("a worker whose executor cannot run tasks any more says so once, leaves its tasks to others, and serves on") {
  Bench bench;
  bench.tell(run(1), run(2), run(3));
  bench.work();
  bench.executor.broken_by = "no processes";
  bench.executor.lose();
  bench.tell(run(4));
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

TEST_CASE("rank 0 is lost to a worker when MPI or the system says so, and not before") {
  Bench bench;
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

TEST_CASE("a rank 0 that always asks is lost to a worker after a long silence, unless it is known to live") {
  Bench bench;
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
  Bench bench;
  bench.tell(to_worker::ShareObject{ObjectId{7}, {3}}, to_worker::ShareObject{ObjectId{8}, {3}}, run(1), run(2));
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
  bench.tell(to_worker::ObjectContent{ObjectId{9}, Payload{bytes("new"), {}}}, run(1, 2, {ObjectId{9}}));
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
  Bench bench;
  bench.tell(run(1));
  bench.work();
  bench.tell(to_worker::Rejoin{1});
  bench.worker.attend(Worker::Clock::now());
  CHECK(bench.said().empty());
  bench.executor.finish(0.5);
  bench.work();
  CHECK(std::holds_alternative<to_coordinator::Hello>(bench.said().back()));
}

TEST_CASE("a worker that watches its node's memory tells rank 0 what is left, also while a task runs") {
  Bench bench;
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
  bench.tell(run(1));
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
  Bench bench;
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

TEST_CASE("a task for whose arguments there is no room is answered as lost with the reason, and the next one runs") {
  Bench bench;
  auto large = run(1);
  large.arguments.parts.push_back(part("large"));
  Frame frame;
  append(frame, large);
  bench.transport.arrives_without_parts(0, std::move(frame), "no room for 5 bytes");
  bench.tell(run(2));
  bench.work();
  const auto reports = bench.finished();
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].task == TaskId{1, 0});
  CHECK(reports[0].ending == TaskEnding::lost);
  CHECK(text(reports[0].result.head) == "no room for 5 bytes");
  REQUIRE(bench.executor.running);
  CHECK(bench.executor.running->task == TaskId{2, 0});
}

TEST_CASE("an object for which there is no room is refused with the reason") {
  Bench bench;
  Frame frame;
  append(frame, to_worker::ObjectContent{ObjectId{5}, Payload{bytes("head"), {part("large")}}});
  bench.transport.arrives_without_parts(0, std::move(frame), "no room for 5 bytes");
  bench.work();
  CHECK(bench.store.refusal(ObjectId{5}) == "no room for 5 bytes");
  CHECK(bench.store.find(ObjectId{5}) == nullptr);
}

TEST_CASE("a long head of a result is sent as a part") {
  Bench bench;
  bench.tell(run(1));
  bench.work();
  bench.executor.result = Payload{Bytes(min_part_bytes), {}};
  bench.executor.finish(1);
  bench.work();
  CHECK(bench.finished().at(0).result.long_head.size() == min_part_bytes);
}

TEST_CASE("a worker asks once for the folder of results that spill, and later tasks know it") {
  Bench bench;
  bench.tell(to_worker::SpillInto{{"/scratch", "", ""}}, run(1), run(2));
  bench.work();
  CHECK(bench.executor.running->place.spill->has_to_be_made());
  CHECK(bench.said().empty());
  bench.executor.wants_folder = true;
  bench.work();
  bench.work();
  const auto said = bench.said();
  REQUIRE(said.size() == 1);
  CHECK(std::get<to_coordinator::SpillFolderWanted>(said[0]).call == CallId{1});
  bench.tell(to_worker::SpillFolderMade{CallId{1}, {"/scratch/job", "/scratch/job/lock", ""}}, run(3));
  bench.work();
  CHECK(bench.executor.given == SpillPlace{"/scratch/job", "/scratch/job/lock", "", 1});
  for (int task = 0; task < 2; ++task) {
    bench.executor.finish(1.0);
    bench.work();
    CHECK(*bench.executor.running->place.spill == *bench.executor.given);
  }
}

TEST_CASE("a cancelled task does not wait for a folder") {
  Bench bench;
  bench.tell(to_worker::SpillInto{{"/scratch", "", ""}}, run(1));
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
