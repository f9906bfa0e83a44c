// Tests of how rank 0 handles lost workers.

#include "support/catch.hpp"
#include "support/scripted_cluster.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using namespace std::chrono_literals;

namespace {

bool holds_broadcasts_ended(const std::vector<MessageToWorker>& messages) {
  return std::ranges::any_of(messages, [](const MessageToWorker& message) {
    return std::holds_alternative<to_worker::BroadcastsEnded>(message);
  });
}

template <class Message>
std::vector<Message> all(const std::vector<MessageToWorker>& messages) {
  std::vector<Message> found;
  for (const MessageToWorker& message : messages) {
    if (const auto* wanted = std::get_if<Message>(&message)) found.push_back(*wanted);
  }
  return found;
}

}  // namespace

TEST_CASE("a task that a lost worker held is sent to another with all its arguments and its attempts are counted") {
  ScriptedCluster cluster(2);
  const CallId call = cluster.coordinator.start_call(
      {.n_jobs = 2, .task_timeout_seconds = 2.5, .memory_limit_bytes = 77}, cluster.inbox);
  cluster.coordinator.submit(call, {70, "fit", Payload{bytes("arguments"), {part("large")}}, {}});
  REQUIRE(cluster.tasks_of(1).size() == 1);
  cluster.coordinator.lose(WorkerId{1}, "was unplugged");
  const auto messages = cluster.told(2);
  CHECK(std::holds_alternative<to_worker::BroadcastsEnded>(messages.at(0)));
  const auto tasks = all<to_worker::RunTask>(messages);
  REQUIRE(tasks.size() == 1);
  CHECK(text(tasks[0].arguments.head) == "arguments");
  CHECK(text(tasks[0].arguments.parts.at(0).view()) == "large");
  CHECK(tasks[0].limits.seconds == 2.5);
  CHECK(tasks[0].limits.memory_bytes == 77);
  cluster.finish(2, tasks[0].task);
  REQUIRE(cluster.inbox.tasks.size() == 1);
  CHECK(cluster.inbox.tasks[0].attempts == 2);
  CHECK(cluster.inbox.tasks[0].name == "fit");
  CHECK(cluster.inbox.tasks[0].worker == WorkerId{2});
}

TEST_CASE("the node with the least memory counts, until the worker that watches it is lost") {
  ScriptedCluster cluster(3);
  CHECK(cluster.coordinator.room_elsewhere() == std::numeric_limits<std::uint64_t>::max());
  cluster.says(1, to_coordinator::RoomLeft{500});
  cluster.says(3, to_coordinator::RoomLeft{200});
  CHECK(cluster.coordinator.room_elsewhere() == 200);
  cluster.says(3, to_coordinator::RoomLeft{900});
  CHECK(cluster.coordinator.room_elsewhere() == 500);
  cluster.coordinator.lose(WorkerId{1}, "was unplugged");
  CHECK(cluster.coordinator.room_elsewhere() == 900);
}

TEST_CASE("results of a worker that was given up and results that come twice are ignored") {
  ScriptedCluster cluster(2);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 1);
  const TaskId task = cluster.tasks_of(1).at(0).task;
  cluster.coordinator.lose(WorkerId{1}, "was unplugged");
  cluster.finish(1, task);
  CHECK(cluster.inbox.tasks.empty());
  (void)cluster.told(2);
  cluster.finish(2, task);
  cluster.finish(2, task);
  cluster.finish(2, TaskId{99, 0});
  CHECK(cluster.inbox.tasks.size() == 1);
}

TEST_CASE("a task whose attempts are used up with lost workers ends as lost with the reason") {
  ScriptedCluster cluster(3);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1, .retries = 1}, cluster.inbox);
  cluster.submit(call, 1);
  (void)cluster.told(1);
  cluster.coordinator.lose(WorkerId{1}, "was unplugged");
  (void)cluster.told(2);
  cluster.coordinator.lose(WorkerId{2}, "did not answer for 10 s");
  REQUIRE(cluster.inbox.tasks.size() == 1);
  const FinishedTask& lost = cluster.inbox.tasks[0];
  CHECK(lost.ending == TaskEnding::lost);
  CHECK(lost.attempts == 2);
  CHECK(lost.worker == WorkerId{2});
  CHECK(text(lost.result.head) == "the rank was lost (did not answer for 10 s)");
  CHECK(cluster.coordinator.unfinished_tasks() == 0);
}

TEST_CASE("when no worker is left every task ends at once, also those that are submitted later") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox);
  cluster.submit(call, 1);
  cluster.submit(call, 2);
  cluster.progress();
  cluster.coordinator.lose(WorkerId{1}, "was unplugged");
  CHECK(cluster.inbox.tasks.size() == 2);
  cluster.submit(call, 3);
  REQUIRE(cluster.inbox.tasks.size() == 3);
  for (const FinishedTask& task : cluster.inbox.tasks) {
    CHECK(task.ending == TaskEnding::lost);
    CHECK(text(task.result.head) == "no worker is left; the last one, rank 1, was lost (was unplugged)");
  }
  CHECK(cluster.inbox.tasks[2].attempts == 0);
  CHECK(cluster.coordinator.lost_workers().at(0).tasks_again == 0);
  cluster.coordinator.end_call(call);
  cluster.coordinator.stop_workers({0, ""});
  CHECK(cluster.coordinator.serving_workers().empty());
}

TEST_CASE("a worker that MPI finds dead is lost, told of once and never spoken to again") {
  ScriptedCluster cluster(2);
  std::vector<std::string> warnings;
  cluster.coordinator.on_worker_lost([&](const LostWorker& lost) {
    warnings.push_back(warning_about(lost, {"n0", "n1", "n2"}));
  });
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 1);
  (void)cluster.told(1);
  cluster.transport.found_dead = {1};
  cluster.progress();
  cluster.transport.found_dead = {1};
  cluster.progress();
  CHECK(cluster.transport.given_up == std::set{1});
  CHECK(warnings == std::vector<std::string>{"joblib_mpi: warning: rank 1 on n1 was lost (was found dead by MPI); its "
                                             "task will run again on another rank"});
  CHECK(all<to_worker::RunTask>(cluster.told(2)).size() == 1);
  cluster.coordinator.stop_workers({3, ""});
  CHECK(cluster.told(1).empty());
  const auto stop = all<to_worker::Stop>(cluster.told(2));
  REQUIRE(stop.size() == 1);
  CHECK(stop[0].ranks_lost);
  CHECK(cluster.coordinator.serving_workers().size() == 1);
}

TEST_CASE("silent workers are asked and then lost, those that answer are not") {
  Settings settings;
  settings.heartbeat_seconds = 8;
  ScriptedCluster cluster(2, settings);
  for (const int worker : {1, 2}) cluster.says(worker, to_coordinator::Hello{true});
  Heartbeat::TimePoint now{1h};
  int asked = 0;
  for (int second = 0; second < 30; ++second) {
    cluster.coordinator.check_workers(now += 1s);
    const auto pings = all<to_worker::Ping>(cluster.told(2)).size();
    asked += static_cast<int>(pings);
    // What has arrived by the next poll counts: no message is taken before.
    if (pings > 0) cluster.arrives(2, to_coordinator::Pong{});
    if (cluster.coordinator.lost_workers().empty()) CHECK(cluster.told(1).size() <= 1);
  }
  CHECK(asked >= 5);
  REQUIRE(cluster.coordinator.lost_workers().size() == 1);
  CHECK(cluster.coordinator.lost_workers()[0].worker == WorkerId{1});
  CHECK(cluster.coordinator.lost_workers()[0].reason == "did not answer for 8 s");
}

TEST_CASE("a worker is not lost while pieces of a long message move") {
  Settings settings;
  settings.heartbeat_seconds = 8;
  ScriptedCluster cluster(1, settings);
  cluster.says(1, to_coordinator::Hello{true});
  Heartbeat::TimePoint now{1h};
  const auto pass = [&](int seconds, int seconds_per_piece) {
    for (int second = 1; second <= seconds; ++second) {
      if (second % seconds_per_piece == 0) cluster.transport.heard = {1};
      cluster.coordinator.check_workers(now += 1s);
      (void)cluster.told(1);  // it answers no ping: the answer would have to wait for the long message
    }
  };
  pass(40, 6);
  CHECK(cluster.coordinator.lost_workers().empty());
  pass(40, 100);
  CHECK(cluster.coordinator.lost_workers().size() == 1);
}

TEST_CASE("a silent worker whose process is seen to work is lost only once it is not") {
  Settings settings;
  settings.heartbeat_seconds = 8;
  ScriptedCluster cluster(1, settings);
  cluster.says(1, to_coordinator::Hello{true});
  bool works = true;
  int questions = 0;
  cluster.coordinator.ask_before_giving_up([&](WorkerId worker) {
    CHECK(worker == WorkerId{1});
    ++questions;
    return works;
  });
  Heartbeat::TimePoint now{1h};
  for (int second = 0; second < 60; ++second) cluster.coordinator.check_workers(now += 1s);
  CHECK(cluster.coordinator.lost_workers().empty());
  CHECK(questions >= 2);
  works = false;
  for (int second = 0; second < 15; ++second) cluster.coordinator.check_workers(now += 1s);
  CHECK(cluster.coordinator.lost_workers().size() == 1);
}

TEST_CASE("a worker with a stuck task is given up and the task runs out of time") {
  ScriptedCluster cluster(2);
  const CallId call =
      cluster.coordinator.start_call({.n_jobs = 2, .retries = 0, .task_timeout_seconds = 2}, cluster.inbox);
  cluster.submit(call, 1);
  const TaskId task = cluster.tasks_of(1).at(0).task;
  cluster.says(2, to_coordinator::Stuck{task});  // worker 2 does not hold the task
  CHECK(cluster.coordinator.lost_workers().empty());
  cluster.says(1, to_coordinator::Stuck{task});
  REQUIRE(cluster.coordinator.lost_workers().size() == 1);
  const std::string reason = cluster.coordinator.lost_workers()[0].reason;
  CHECK(reason == "a task ran longer than its time limit of 2 s and cannot be interrupted in the rank's own process");
  REQUIRE(cluster.inbox.tasks.size() == 1);
  CHECK(cluster.inbox.tasks[0].ending == TaskEnding::timed_out);
  CHECK(text(cluster.inbox.tasks[0].result.head) == "the rank was lost (" + reason + ")");
}

TEST_CASE("a worker that was given up and is heard of again is called back once, and gets tasks after its Hello") {
  ScriptedCluster cluster(2);
  std::vector<WorkerId> back;
  cluster.coordinator.on_worker_back([&](WorkerId worker) { back.push_back(worker); });
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 1);
  const TaskId task = cluster.tasks_of(1).at(0).task;
  cluster.coordinator.give_up(WorkerId{1}, "did not answer for 10 s");
  CHECK(all<to_worker::RunTask>(cluster.told(2)).size() == 1);
  CHECK(cluster.told(1).empty());
  CHECK(cluster.transport.given_up.empty());

  cluster.finish(1, task);  // the old attempt
  CHECK(cluster.inbox.tasks.empty());
  const auto called = cluster.told(1);
  REQUIRE(called.size() == 1);
  CHECK(std::get<to_worker::Rejoin>(called[0]).epoch == 1);
  cluster.says(1, to_coordinator::Pong{});
  cluster.says(1, to_coordinator::Hello{true});  // the first one, which was under way
  CHECK(cluster.told(1).empty());
  CHECK(back.empty());

  cluster.says(1, to_coordinator::Hello{true, 1, {}});
  CHECK(back == std::vector{WorkerId{1}});
  CHECK(cluster.coordinator.serving_workers().size() == 2);
  cluster.submit(call, 2);
  const auto again = cluster.tasks_of(1);
  REQUIRE(again.size() == 1);
  cluster.finish(1, again[0].task);
  cluster.finish(2, task);
  CHECK(cluster.inbox.tasks.size() == 2);
  cluster.coordinator.stop_workers({0, ""});
  for (const int worker : {1, 2}) CHECK_FALSE(all<to_worker::Stop>(cluster.told(worker)).at(0).ranks_lost);
}

TEST_CASE("a late answer does not count for a new attempt at the worker that has come back") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1, .retries = 3}, cluster.inbox);
  cluster.coordinator.give_up(WorkerId{1}, "did not answer for 10 s");
  cluster.says(1, to_coordinator::Pong{});
  cluster.says(1, to_coordinator::Hello{true, 1, {}});
  (void)cluster.told(1);
  cluster.submit(call, 1);
  const TaskId task = cluster.tasks_of(1).at(0).task;
  cluster.coordinator.give_up(WorkerId{1}, "did not answer for 10 s");
  CHECK(cluster.inbox.tasks.size() == 1);  // no worker is left
  cluster.submit(call, 2);
  CHECK(cluster.inbox.tasks.size() == 2);
  // The first worker of a frame's two epochs ends within the frame.
  Frame frame;
  append(frame, to_coordinator::TaskFinished{task, TaskEnding::returned, 1.0, Payload{bytes("old"), {}}});
  cluster.transport.arrives(1, std::move(frame));
  cluster.progress();
  CHECK(std::get<to_worker::Rejoin>(cluster.told(1).at(0)).epoch == 2);
  cluster.says(1, to_coordinator::Hello{true, 1, {}});  // of an older epoch
  CHECK(cluster.coordinator.serving_workers().empty());
  cluster.says(1, to_coordinator::Hello{true, 2, {}});
  cluster.submit(call, 3);
  CHECK(cluster.tasks_of(1).size() == 1);
}

TEST_CASE("a worker that comes back gets the objects that it lacks and drops those that are gone") {
  ScriptedCluster cluster(2);
  const ObjectId kept = cluster.coordinator.share(Payload{bytes("kept"), {}});
  const ObjectId gone = cluster.coordinator.share(Payload{bytes("gone"), {}});
  (void)cluster.told(1);
  cluster.coordinator.give_up(WorkerId{1}, "did not answer for 10 s");
  cluster.coordinator.drop(gone);
  const ObjectId late = cluster.coordinator.share(Payload{bytes("late"), {}});
  cluster.says(1, to_coordinator::Pong{});
  CHECK(cluster.told(1).size() == 1);
  const ObjectId latest = cluster.coordinator.share(Payload{bytes("latest"), {}});
  cluster.says(1, to_coordinator::Hello{true, 1, {kept, gone}});
  const auto messages = cluster.told(1);
  REQUIRE(messages.size() == 3);
  CHECK(std::get<to_worker::DropObject>(messages[0]).object == gone);
  std::vector<std::string> contents;
  for (const auto& content : all<to_worker::ObjectContent>(messages)) contents.push_back(text(content.value.head));
  std::ranges::sort(contents);
  CHECK(contents == std::vector<std::string>{"late", "latest"});
  CHECK(late != latest);
}

TEST_CASE("a worker that can run no more tasks gets none after it has come back either") {
  ScriptedCluster cluster(2);
  cluster.says(1, to_coordinator::Broken{"no processes"});
  cluster.coordinator.give_up(WorkerId{1}, "did not answer for 10 s");
  cluster.says(1, to_coordinator::Pong{});
  cluster.says(1, to_coordinator::Hello{true, 1, {}});
  (void)cluster.told(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 1);
  CHECK(cluster.told(1).empty());
  CHECK(all<to_worker::RunTask>(cluster.told(2)).size() == 1);
  CHECK(cluster.coordinator.serving_workers().size() == 2);
}

TEST_CASE("a worker that stays given up is told to leave where that does no harm, and never waited for") {
  for (const bool tells : {false, true}) {
    ScriptedCluster cluster(2);
    cluster.transport.tells = tells;
    cluster.coordinator.give_up(WorkerId{1}, "did not answer for 10 s");
    cluster.coordinator.stop_workers({4, ""});
    CHECK(cluster.transport.given_up == std::set{1});
    const auto stops = all<to_worker::Stop>(cluster.told(1));
    REQUIRE(stops.size() == (tells ? 1 : 0));
    if (tells) CHECK((stops[0].status == 4 && stops[0].ranks_lost));
    CHECK(cluster.coordinator.serving_workers().size() == 1);
  }
}

TEST_CASE("a worker that was given up and that MPI then finds dead cannot come back") {
  ScriptedCluster cluster(2);
  cluster.coordinator.give_up(WorkerId{1}, "did not answer for 10 s");
  cluster.transport.found_dead = {1};
  cluster.progress();
  CHECK(cluster.transport.given_up == std::set{1});
  cluster.says(1, to_coordinator::Pong{});
  CHECK(cluster.told(1).empty());
  CHECK(cluster.coordinator.lost_workers().size() == 1);
}

TEST_CASE("after the first loss broadcasts end once and missing objects are sent one by one") {
  ScriptedCluster cluster(3);
  const ObjectId kept = cluster.coordinator.share(Payload{bytes("kept"), {part("large")}});
  const ObjectId dropped = cluster.coordinator.share(Payload{bytes("dropped"), {}});
  (void)cluster.told(1);
  (void)cluster.told(2);
  (void)cluster.told(3);
  cluster.coordinator.lose(WorkerId{3}, "was unplugged");
  CHECK(cluster.store.broadcasts_ended);
  CHECK(holds_broadcasts_ended(cluster.told(1)));
  cluster.coordinator.drop(dropped);
  (void)cluster.told(1);
  cluster.says(1, to_coordinator::ObjectsMissing{{kept, dropped}});
  const auto contents = all<to_worker::ObjectContent>(cluster.told(1));
  REQUIRE(contents.size() == 1);
  CHECK(contents[0].object == kept);
  CHECK(text(contents[0].value.head) == "kept");
  CHECK(contents[0].value.parts.at(0).owner() == cluster.store.find(kept)->parts.at(0).owner());
  cluster.coordinator.lose(WorkerId{2}, "was unplugged");
  CHECK_FALSE(holds_broadcasts_ended(cluster.told(1)));
}

TEST_CASE("objects that are shared after a loss go to each living worker before the tasks that name them") {
  ScriptedCluster cluster(3);
  cluster.coordinator.lose(WorkerId{3}, "was unplugged");
  const ObjectId object = cluster.coordinator.share(Payload{bytes("late"), {part("large")}});
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 1, {object});
  for (const int worker : {1, 2}) {
    const auto messages = cluster.told(worker);
    CHECK(std::holds_alternative<to_worker::BroadcastsEnded>(messages.at(0)));
    CHECK(text(std::get<to_worker::ObjectContent>(messages.at(1)).value.head) == "late");
  }
  CHECK(cluster.store.published.empty());
  CHECK(cluster.store.put_objects == std::vector{object});
}

TEST_CASE("an object that is shared but not yet sent when a worker is lost is not published") {
  ScriptedCluster cluster(2);
  const ObjectId object = cluster.coordinator.share(Payload{bytes("x"), {}});
  cluster.coordinator.lose(WorkerId{2}, "was unplugged");
  cluster.progress();
  CHECK(cluster.store.published.empty());
  CHECK(cluster.store.put_objects == std::vector{object});
  cluster.says(1, to_coordinator::ObjectsMissing{{object}});
  CHECK(all<to_worker::ObjectContent>(cluster.told(1)).size() == 1);
}

TEST_CASE("a worker that can run no more tasks gets none, stays connected and says goodbye") {
  ScriptedCluster cluster(2);
  std::vector<std::string> warnings;
  cluster.coordinator.on_worker_lost([&](const LostWorker& lost) {
    warnings.push_back(warning_about(lost, {"n0", "n1", "n2"}));
  });
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 1);
  cluster.submit(call, 2);
  const TaskId first = cluster.tasks_of(1).at(0).task;
  cluster.finish(2, cluster.tasks_of(2).at(0).task);
  cluster.says(1, to_coordinator::Broken{"no processes"});
  CHECK(cluster.tasks_of(2).at(0).task == first);
  cluster.finish(1, first);  // a late answer of the broken worker
  CHECK(cluster.inbox.tasks.size() == 1);
  cluster.submit(call, 3);
  CHECK(cluster.told(1).empty());
  CHECK(warnings == std::vector<std::string>{"joblib_mpi: warning: rank 1 on n1 can run no more tasks (no processes); "
                                             "its task will run again on another rank"});
  cluster.coordinator.stop_workers({0, ""});
  const auto said_to_1 = cluster.told(1);
  REQUIRE(said_to_1.size() == 1);
  CHECK_FALSE(std::get<to_worker::Stop>(said_to_1[0]).ranks_lost);
  CHECK(cluster.coordinator.serving_workers().size() == 2);
}
TEST_CASE("a host is without ranks when all of its ranks are gone") {
  const std::vector<std::string> hosts{"n1", "n1", "n2", "n2", "n3"};
  CHECK(hosts_without_ranks({{WorkerId{1}, "", 0}, {WorkerId{2}, "", 0}}, hosts).empty());
  CHECK(hosts_without_ranks({{WorkerId{3}, "", 0}, {WorkerId{2}, "", 0}}, hosts) == std::vector<std::string>{"n2"});
  CHECK(hosts_without_ranks({{WorkerId{4}, "", 0, false}}, hosts).empty());
}

TEST_CASE("all serving workers are asked for a file, and one that is lost need not answer") {
  ScriptedCluster cluster(3);
  cluster.coordinator.lose(WorkerId{3}, "was unplugged");
  (void)cluster.told(1);
  const std::uint64_t question = cluster.coordinator.ask_for_file({.path = "/data/x"});
  CHECK(std::get<to_worker::CompareFile>(cluster.told(1).at(0)).file.path == "/data/x");
  CHECK_FALSE(cluster.coordinator.file_refusals(question));
  cluster.says(1, to_coordinator::FileCompared{question, "another file is there"});
  CHECK_FALSE(cluster.coordinator.file_refusals(question));
  cluster.coordinator.lose(WorkerId{2}, "was unplugged");
  const auto refusals = cluster.coordinator.file_refusals(question);
  REQUIRE(refusals);
  REQUIRE(refusals->size() == 1);
  CHECK(refusals->at(0).worker == WorkerId{1});
  CHECK(refusals->at(0).reason == "another file is there");
}

TEST_CASE("a worker that does not answer in time counts as one without the file") {
  ScriptedCluster cluster(2);
  const std::uint64_t question = cluster.coordinator.ask_for_file({.path = "/data/x"});
  cluster.says(1, to_coordinator::FileCompared{question, ""});
  const auto refusals = cluster.coordinator.close_file_question(question);
  REQUIRE(refusals.size() == 1);
  CHECK(refusals[0].worker == WorkerId{2});
  cluster.says(2, to_coordinator::FileCompared{question, ""});  // too late, and of no importance
  CHECK_FALSE(cluster.coordinator.file_refusals(question));
}

TEST_CASE("workers that get no tasks are not asked for a file, and one that comes back is counted as not asked") {
  ScriptedCluster cluster(3);
  cluster.says(1, to_coordinator::Broken{"no processes"});
  const std::uint64_t question = cluster.coordinator.ask_for_file({.path = "/data/x"});
  CHECK(all<to_worker::CompareFile>(cluster.told(1)).empty());
  CHECK(all<to_worker::CompareFile>(cluster.told(2)).size() == 1);
  CHECK(all<to_worker::CompareFile>(cluster.told(3)).size() == 1);
  cluster.says(3, to_coordinator::FileCompared{question, ""});
  cluster.coordinator.give_up(WorkerId{2}, "did not answer for 10 s");
  cluster.says(2, to_coordinator::FileCompared{question, "another file is there"});  // of an older epoch
  const auto refusals = cluster.coordinator.file_refusals(question);
  REQUIRE(refusals);
  CHECK(refusals->empty());
  CHECK(cluster.coordinator.returns() == 0);
  cluster.says(2, to_coordinator::Hello{true, 1, {}});
  CHECK(cluster.coordinator.returns() == 1);
  (void)cluster.told(2);
  (void)cluster.coordinator.ask_for_file({.path = "/data/x"});
  CHECK(all<to_worker::CompareFile>(cluster.told(2)).size() == 1);
}

TEST_CASE("a task that only a lost worker may run ends as lost on that worker, with the reason of its last loss") {
  ScriptedCluster cluster(3);
  cluster.coordinator.lose(WorkerId{2}, "was unplugged");
  cluster.coordinator.lose(WorkerId{1}, "was found dead");
  const CallId call = cluster.coordinator.start_call({.n_jobs = 3}, cluster.inbox);
  for (const int worker : {2, 9}) {
    cluster.coordinator.submit(call, {static_cast<std::uint64_t>(worker), "look", {}, {}, WorkerId{worker}});
  }
  REQUIRE(cluster.inbox.tasks.size() == 2);
  CHECK(cluster.inbox.tasks[0].ending == TaskEnding::lost);
  CHECK(cluster.inbox.tasks[0].worker == WorkerId{2});
  CHECK(cluster.inbox.tasks[0].attempts == 0);
  CHECK(text(cluster.inbox.tasks[0].result.head) == "the rank was lost (was unplugged)");
  CHECK(text(cluster.inbox.tasks[1].result.head) == "there is no such worker");
}
