#include "coordinator/coordinator.hpp"

#include "support/catch.hpp"
#include "support/scripted_cluster.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("a submitted task is sent to a worker with its arguments and comes back with its index") {
  ScriptedCluster cluster(2);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 70);
  CHECK(cluster.coordinator.unfinished_tasks() == 1);
  const auto tasks = cluster.tasks_of(1);
  REQUIRE(tasks.size() == 1);
  CHECK(tasks[0].call == call);
  CHECK(text(tasks[0].arguments.head) == "arguments");
  CHECK(cluster.tasks_of(2).empty());
  cluster.finish(1, tasks[0].task);
  REQUIRE(cluster.inbox.tasks.size() == 1);
  const FinishedTask& finished = cluster.inbox.tasks[0];
  CHECK(finished.call == call);
  CHECK(finished.index == 70);
  CHECK(finished.worker == WorkerId{1});
  CHECK(finished.ending == TaskEnding::returned);
  CHECK(text(finished.result.head) == "result");
  CHECK(text(finished.result.parts.at(0).view()) == "large");
  CHECK(cluster.coordinator.unfinished_tasks() == 0);
}

TEST_CASE("a task that raised comes back as one that did not return") {
  ScriptedCluster cluster(1);
  cluster.submit(cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox), 1);
  cluster.finish(1, cluster.tasks_of(1).at(0).task, TaskEnding::raised);
  CHECK(cluster.inbox.tasks.at(0).ending == TaskEnding::raised);
}

TEST_CASE("nothing is sent before progress") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox);
  cluster.submit(call, 1);
  (void)cluster.coordinator.share(Payload{bytes("x"), {}});
  CHECK(cluster.transport.take_sent().empty());
  CHECK(cluster.store.published.empty());
}

TEST_CASE("small tasks to one worker share messages of a limited number of tasks") {
  Settings settings;
  settings.tasks_per_message = 4;
  settings.max_credits = 16;
  ScriptedCluster cluster(1, settings);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox);
  for (std::uint64_t index = 0; index < 100; ++index) cluster.submit(call, index);
  const TaskId first = cluster.tasks_of(1).at(0).task;
  cluster.frames_sent = 0;
  cluster.finish(1, first, TaskEnding::returned, 1e-7);
  CHECK(cluster.tasks_of(1).size() == 16);
  CHECK(cluster.frames_sent == 4);
}

namespace {

/// Lets worker 1 of two, which answer during tasks, run its tasks and those that it gets for that, until it is idle.
/// Each takes `seconds`. Returns what worker 2 has been told.
std::vector<MessageToWorker> idle_beside_a_holder(ScriptedCluster& cluster, double seconds) {
  for (const int worker : {1, 2}) cluster.says(worker, to_coordinator::Hello{true});
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2, .retries = 1}, cluster.inbox);
  for (std::uint64_t index = 0; index < 40; ++index) cluster.submit(call, index);
  for (auto tasks = cluster.tasks_of(1); !tasks.empty(); tasks = cluster.tasks_of(1)) {
    for (const auto& task : tasks) cluster.finish(1, task.task, TaskEnding::returned, seconds);
  }
  return cluster.told(2);
}

}  // namespace

TEST_CASE("what a worker holds ahead goes to an idle worker once it has come back, without an attempt") {
  Settings settings;
  settings.prefetch_seconds = 10.0;
  settings.max_credits = 4;
  ScriptedCluster cluster(2, settings);
  const auto messages = idle_beside_a_holder(cluster, 1.0);
  REQUIRE(messages.size() == 5);
  const auto& request = std::get<to_worker::TakeBack>(messages[4]);
  const auto& third = std::get<to_worker::RunTask>(messages[2]);
  const auto& fourth = std::get<to_worker::RunTask>(messages[3]);
  CHECK(request.call == fourth.call);
  CHECK(request.most == 2);

  cluster.says(2, to_coordinator::Returned{{third.task, fourth.task}});
  auto of_first = cluster.tasks_of(1);
  REQUIRE(of_first.size() == 1);
  CHECK(of_first[0].index == third.index);
  cluster.finish(1, of_first[0].task);
  const FinishedTask& finished = cluster.inbox.tasks.back();
  CHECK(finished.index == third.index);
  CHECK(finished.worker == WorkerId{1});
  CHECK(finished.attempts == 1);

  // What the worker says of a task that it has given back, or of one that there is not, counts for nothing.
  of_first = cluster.tasks_of(1);
  REQUIRE(of_first.size() == 1);
  CHECK(of_first[0].index == fourth.index);
  cluster.says(2, to_coordinator::Returned{{fourth.task, TaskId{77, 0}}});
  CHECK(cluster.tasks_of(1).empty());
  cluster.finish(1, fourth.task);
  CHECK(cluster.inbox.tasks.back().index == fourth.index);
  CHECK(cluster.coordinator.unfinished_tasks() == 2);
}

TEST_CASE("the items that a running batch has not begun become tasks of idle workers") {
  ScriptedCluster cluster(3);
  for (const int worker : {1, 2, 3}) cluster.says(worker, to_coordinator::Hello{true});
  const ObjectId object = cluster.coordinator.share({bytes("shared"), {}});
  const CallId call = cluster.coordinator.start_call({.n_jobs = 3}, cluster.inbox);
  cluster.submit(call, 100, {object}, 50);
  std::vector<MessageToWorker> messages;
  while (messages.empty() || !std::holds_alternative<to_worker::TakeBack>(messages.back())) {
    for (auto& message : cluster.told(1)) messages.push_back(std::move(message));
  }
  CHECK(std::get<to_worker::TakeBack>(messages.back()).seekers.workers == 2);
  const auto batch = std::get<to_worker::RunTask>(messages.at(messages.size() - 2));
  CHECK(batch.items == ItemRange{0, 50});
  cluster.coordinator.drop(object);
  cluster.says(1, to_coordinator::Returned{{}, to_coordinator::GivenItems{batch.task, {1, 49}, 2}});

  const auto part = [](const std::vector<MessageToWorker>& told) { return std::get<to_worker::RunTask>(told.back()); };
  const auto second = part(cluster.told(2));
  const auto third = part(cluster.told(3));
  CHECK(second.items == ItemRange{1, 24});
  CHECK(third.items == ItemRange{25, 25});
  CHECK(second.objects == std::vector{object});
  CHECK(text(second.arguments.head) == "arguments");
  cluster.finish(3, third.task);
  cluster.finish(1, batch.task);
  cluster.finish(2, second.task);
  REQUIRE(cluster.inbox.tasks.size() == 3);
  for (const FinishedTask& finished : cluster.inbox.tasks) CHECK(finished.index == 100);
  CHECK(cluster.inbox.tasks[0].items == third.items);
  CHECK(cluster.inbox.tasks[1].items == ItemRange{0, 1});
  CHECK(cluster.inbox.tasks[2].items == second.items);
  CHECK(cluster.coordinator.unfinished_tasks() == 0);
  CHECK(cluster.coordinator.object_stats().objects == 0);  // no part uses it any more
}

TEST_CASE("of a batch that was divided only the items are tried again that its worker was to run") {
  ScriptedCluster cluster(2);
  for (const int worker : {1, 2}) cluster.says(worker, to_coordinator::Hello{true});
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2, .retries = 1}, cluster.inbox);
  cluster.submit(call, 0, {}, 4);
  std::vector<MessageToWorker> messages;
  while (messages.empty() || !std::holds_alternative<to_worker::TakeBack>(messages.back())) {
    for (auto& message : cluster.told(1)) messages.push_back(std::move(message));
  }
  const TaskId batch = std::get<to_worker::RunTask>(messages.at(messages.size() - 2)).task;
  cluster.says(1, to_coordinator::Returned{{}, to_coordinator::GivenItems{batch, {1, 3}, 1}});
  CHECK(cluster.tasks_of(2).at(0).items == ItemRange{1, 3});
  cluster.finish(1, batch, TaskEnding::lost);
  const auto again = cluster.tasks_of(1);
  REQUIRE(again.size() == 1);
  CHECK(again[0].task == batch);
  CHECK(again[0].items == ItemRange{0, 1});
  // What the worker says of a batch that it has finished counts for nothing.
  cluster.finish(1, batch);
  cluster.says(1, to_coordinator::Returned{{}, to_coordinator::GivenItems{batch, {0, 1}, 1}});
  CHECK(cluster.inbox.tasks.size() == 1);
  CHECK(cluster.coordinator.unfinished_tasks() == 1);
}

TEST_CASE("tiny tasks that a worker holds ahead are asked for once nothing has happened for some time") {
  Settings settings;
  settings.max_credits = 4;
  ScriptedCluster cluster(2, settings);
  auto messages = idle_beside_a_holder(cluster, 1e-7);
  while (messages.size() < 5) {
    for (auto& message : cluster.told(2)) messages.push_back(std::move(message));
  }
  CHECK(std::get<to_worker::TakeBack>(messages[4]).most == 3);
}

TEST_CASE("an ended call hears nothing more and its workers are told") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox);
  cluster.submit(call, 1);
  cluster.submit(call, 2);
  const TaskId running = cluster.tasks_of(1).at(0).task;
  cluster.coordinator.end_call(call);
  CHECK(cluster.coordinator.unfinished_tasks() == 1);
  const auto messages = cluster.told(1);
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_worker::CancelCall>(messages[0]).call == call);
  cluster.submit(call, 3);  // by another thread, which does not know yet
  cluster.finish(1, running, TaskEnding::cancelled);
  CHECK(cluster.inbox.tasks.empty());
  CHECK(cluster.coordinator.unfinished_tasks() == 0);
  cluster.coordinator.end_call(call);
}

TEST_CASE("a stopped call gets back what has not started, and then what ran") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox);
  for (const std::uint64_t index : {1, 2, 3}) cluster.submit(call, index);
  const TaskId running = cluster.tasks_of(1).at(0).task;
  cluster.coordinator.stop_starting(call);
  REQUIRE(cluster.inbox.tasks.size() == 2);
  for (const FinishedTask& task : cluster.inbox.tasks) CHECK(task.ending == TaskEnding::cancelled);
  CHECK(cluster.inbox.tasks[0].index == 2);
  const auto messages = cluster.told(1);
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_worker::CancelCall>(messages[0]).running == WhatRuns::goes_on);
  cluster.finish(1, running);
  REQUIRE(cluster.inbox.tasks.size() == 3);
  CHECK(cluster.inbox.tasks[2].ending == TaskEnding::returned);
  cluster.coordinator.end_call(call);
  cluster.coordinator.stop_starting(call);
}

TEST_CASE("an object is announced to every worker before it is published and dropped after it") {
  ScriptedCluster cluster(2);
  const ObjectId object = cluster.coordinator.share(Payload{bytes("head"), {part("12345")}});
  for (const int worker : {1, 2}) {
    const auto messages = cluster.told(worker);
    REQUIRE(messages.size() == 1);
    const auto& share = std::get<to_worker::ShareObject>(messages[0]);
    CHECK(share.object == object);
    CHECK(share.part_bytes == std::vector<std::uint64_t>{4, 5});
  }
  REQUIRE(cluster.store.published.size() == 1);
  CHECK(cluster.store.published[0].first == object);
  CHECK(text(cluster.store.published[0].second.head) == "head");

  cluster.coordinator.drop(object);
  for (const int worker : {1, 2}) {
    const auto messages = cluster.told(worker);
    REQUIRE(messages.size() == 1);
    CHECK(std::get<to_worker::DropObject>(messages[0]).object == object);
  }
  CHECK(cluster.store.dropped == std::vector{object});
}

TEST_CASE("a dropped object stays while a task that names it is unfinished") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox);
  const ObjectId object = cluster.coordinator.share(Payload{bytes("x"), {}});
  cluster.submit(call, 1, {object, object});
  const auto messages = cluster.told(1);
  REQUIRE(messages.size() == 2);
  CHECK(std::holds_alternative<to_worker::ShareObject>(messages[0]));
  const auto& task = std::get<to_worker::RunTask>(messages[1]);
  CHECK(task.objects == std::vector{object, object});
  cluster.coordinator.drop(object);
  CHECK(cluster.told(1).empty());
  CHECK(cluster.store.dropped.empty());
  cluster.finish(1, task.task);
  CHECK(std::holds_alternative<to_worker::DropObject>(cluster.told(1).at(0)));
  CHECK(cluster.store.dropped == std::vector{object});
}

TEST_CASE("a dropped object goes when the tasks that name it are discarded") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1}, cluster.inbox);
  const ObjectId object = cluster.coordinator.share(Payload{bytes("x"), {}});
  cluster.submit(call, 1);
  cluster.submit(call, 2, {object});
  cluster.progress();
  cluster.coordinator.drop(object);
  CHECK(cluster.store.dropped.empty());
  cluster.coordinator.end_call(call);
  cluster.progress();
  CHECK(cluster.store.dropped == std::vector{object});
}

TEST_CASE("the first message to each worker tells it that a run begins") {
  ScriptedTransport transport(0, 3);
  ScriptedStore store;
  Coordinator coordinator(transport, store, {});
  Inbox inbox;
  const CallId call = coordinator.start_call({.n_jobs = 1}, inbox);
  coordinator.submit(call, {0, "fit", {}, {}});
  while (coordinator.progress()) {
  }
  std::set<int> told;
  for (const auto& [worker, frame, no_room] : transport.take_sent()) {
    if (!told.insert(worker).second) continue;
    FrameReader reader({frame.body, frame.parts});
    CHECK(std::holds_alternative<to_worker::Begin>(reader.next_to_worker()));
  }
  CHECK(told == std::set{1, 2});
}

TEST_CASE("workers are asked to leave and serve until they say goodbye") {
  ScriptedCluster cluster(2);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 2}, cluster.inbox);
  cluster.submit(call, 8);
  cluster.progress();
  cluster.coordinator.stop_workers({5, "why"});
  for (const int worker : {1, 2}) {
    const auto messages = cluster.told(worker);
    const auto& stop = std::get<to_worker::Stop>(messages.back());
    CHECK(stop.status == 5);
    CHECK(stop.failure == "why");
    CHECK_FALSE(stop.ranks_lost);
  }
  auto serving = cluster.coordinator.serving_workers();
  REQUIRE(serving.size() == 2);
  CHECK(serving[0].worker == WorkerId{1});
  CHECK(serving[0].task == "fit_8");
  CHECK(serving[1].task.empty());
  for (const int worker : {1, 2}) {
    cluster.says(worker, to_coordinator::Goodbye{});
  }
  CHECK(cluster.coordinator.serving_workers().empty());
}

TEST_CASE("bytes that are no message are refused") {
  ScriptedCluster cluster(1);
  cluster.transport.arrives(1, Frame{bytes("not a message"), {}});
  CHECK_THROWS_AS(cluster.coordinator.progress(), SerializationError);
}

TEST_CASE("a task that failed is sent again and only its last attempt is handed on") {
  ScriptedCluster cluster(1);
  const CallId call =
      cluster.coordinator.start_call({.n_jobs = 1, .retries = 1, .retry_exceptions = true}, cluster.inbox);
  cluster.submit(call, 1);
  cluster.finish(1, cluster.tasks_of(1).at(0).task, TaskEnding::raised);
  CHECK(cluster.inbox.tasks.empty());
  const auto again = cluster.tasks_of(1);
  REQUIRE(again.size() == 1);
  CHECK(text(again[0].arguments.head) == "arguments");
  cluster.finish(1, again[0].task, TaskEnding::raised);
  REQUIRE(cluster.inbox.tasks.size() == 1);
  CHECK(cluster.inbox.tasks[0].ending == TaskEnding::raised);
  CHECK(cluster.inbox.tasks[0].attempts == 2);
  CHECK(cluster.inbox.tasks[0].name == "fit_1");
}

TEST_CASE("a result for which rank 0 has no room ends its task with the reason and nothing else") {
  ScriptedCluster cluster(1);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1, .retries = 2}, cluster.inbox);
  cluster.submit(call, 1);
  cluster.submit(call, 2);
  Frame frame;
  append(frame, to_coordinator::TaskFinished{cluster.tasks_of(1).at(0).task, TaskEnding::returned, 1.0,
                                             Payload{bytes("head"), {part("large")}}});
  cluster.transport.arrives_without_parts(1, std::move(frame), "no room for 5 bytes");
  cluster.progress();
  REQUIRE(cluster.inbox.tasks.size() == 1);
  CHECK(cluster.inbox.tasks[0].ending == TaskEnding::no_room);
  CHECK(text(cluster.inbox.tasks[0].result.head) == "no room for 5 bytes");
  cluster.finish(1, cluster.tasks_of(1).at(0).task);
  REQUIRE(cluster.inbox.tasks.size() == 2);
  CHECK(cluster.inbox.tasks[1].index == 2);
  CHECK(cluster.inbox.tasks[1].ending == TaskEnding::returned);
  CHECK(cluster.coordinator.lost_workers().empty());
}

TEST_CASE("a long head of arguments and objects is sent as a part, and again from where it is") {
  ScriptedCluster cluster(2);
  const CallId call = cluster.coordinator.start_call({.n_jobs = 1, .retries = 1}, cluster.inbox);
  cluster.coordinator.submit(call, {1, "fit", Payload{Bytes(min_part_bytes), {}}, {}});
  const auto first = cluster.tasks_of(1).at(0);
  CHECK(first.arguments.long_head.size() == min_part_bytes);
  cluster.coordinator.lose(WorkerId{1}, "a test");
  bool sent_again = false;
  for (const auto& message : cluster.told(2)) {
    const auto* task = std::get_if<to_worker::RunTask>(&message);
    if (task == nullptr) continue;
    sent_again = true;
    CHECK(task->arguments.long_head.view().data() == first.arguments.long_head.view().data());
  }
  CHECK(sent_again);
}
