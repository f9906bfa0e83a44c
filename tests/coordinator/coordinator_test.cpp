#include "coordinator/coordinator.hpp"

#include "support/catch.hpp"
#include "support/office.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("a submitted task is sent to a worker with its arguments and comes back with its ticket") {
  Office office(2);
  const CallId call = office.coordinator.start_call({.n_jobs = 2}, office.inbox);
  office.submit(call, 70);
  CHECK(office.coordinator.unfinished_tasks() == 1);
  const auto tasks = office.tasks_of(1);
  REQUIRE(tasks.size() == 1);
  CHECK(tasks[0].call == call);
  CHECK(text(tasks[0].arguments.head) == "arguments");
  CHECK(office.tasks_of(2).empty());
  office.finish(1, tasks[0].task);
  REQUIRE(office.inbox.tasks.size() == 1);
  const FinishedTask& finished = office.inbox.tasks[0];
  CHECK(finished.call == call);
  CHECK(finished.ticket == 70);
  CHECK(finished.worker == WorkerId{1});
  CHECK(finished.ending == TaskEnding::returned);
  CHECK(text(finished.result.head) == "result");
  CHECK(text(finished.result.parts.at(0).view()) == "large");
  CHECK(office.coordinator.unfinished_tasks() == 0);
}

TEST_CASE("a task that raised comes back as one that did not return") {
  Office office(1);
  office.submit(office.coordinator.start_call({.n_jobs = 1}, office.inbox), 1);
  office.finish(1, office.tasks_of(1).at(0).task, TaskEnding::raised);
  CHECK(office.inbox.tasks.at(0).ending == TaskEnding::raised);
}

TEST_CASE("nothing is sent before progress") {
  Office office(1);
  const CallId call = office.coordinator.start_call({.n_jobs = 1}, office.inbox);
  office.submit(call, 1);
  (void)office.coordinator.share(Payload{bytes("x"), {}});
  CHECK(office.transport.take_sent().empty());
  CHECK(office.store.published.empty());
}

TEST_CASE("small tasks to one worker share messages of a limited number of tasks") {
  Settings settings;
  settings.tasks_per_message = 4;
  settings.max_credits = 16;
  Office office(1, settings);
  const CallId call = office.coordinator.start_call({.n_jobs = 1}, office.inbox);
  for (std::uint64_t ticket = 0; ticket < 100; ++ticket) office.submit(call, ticket);
  const TaskId first = office.tasks_of(1).at(0).task;
  office.frames_sent = 0;
  office.finish(1, first, TaskEnding::returned, 1e-7);
  CHECK(office.tasks_of(1).size() == 16);
  CHECK(office.frames_sent == 4);
}

TEST_CASE("an ended call hears nothing more and its workers are told") {
  Office office(1);
  const CallId call = office.coordinator.start_call({.n_jobs = 1}, office.inbox);
  office.submit(call, 1);
  office.submit(call, 2);
  const TaskId running = office.tasks_of(1).at(0).task;
  office.coordinator.end_call(call);
  CHECK(office.coordinator.unfinished_tasks() == 1);
  const auto messages = office.told(1);
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_worker::CancelCall>(messages[0]).call == call);
  office.submit(call, 3);  // of another thread that has not heard yet
  office.finish(1, running, TaskEnding::cancelled);
  CHECK(office.inbox.tasks.empty());
  CHECK(office.coordinator.unfinished_tasks() == 0);
  office.coordinator.end_call(call);
}

TEST_CASE("a stopped call gets back what has not started, and then what ran") {
  Office office(1);
  const CallId call = office.coordinator.start_call({.n_jobs = 1}, office.inbox);
  for (const std::uint64_t ticket : {1, 2, 3}) office.submit(call, ticket);
  const TaskId running = office.tasks_of(1).at(0).task;
  office.coordinator.stop_starting(call);
  REQUIRE(office.inbox.tasks.size() == 2);
  for (const FinishedTask& task : office.inbox.tasks) CHECK(task.ending == TaskEnding::cancelled);
  CHECK(office.inbox.tasks[0].ticket == 2);
  const auto messages = office.told(1);
  REQUIRE(messages.size() == 1);
  CHECK(std::get<to_worker::CancelCall>(messages[0]).running == WhatRuns::goes_on);
  office.finish(1, running);
  REQUIRE(office.inbox.tasks.size() == 3);
  CHECK(office.inbox.tasks[2].ending == TaskEnding::returned);
  office.coordinator.end_call(call);
  office.coordinator.stop_starting(call);
}

TEST_CASE("an object is announced to every worker before it is published and dropped after it") {
  Office office(2);
  const ObjectId object = office.coordinator.share(Payload{bytes("head"), {part("12345")}});
  for (const int worker : {1, 2}) {
    const auto messages = office.told(worker);
    REQUIRE(messages.size() == 1);
    const auto& share = std::get<to_worker::ShareObject>(messages[0]);
    CHECK(share.object == object);
    CHECK(share.part_bytes == std::vector<std::uint64_t>{4, 5});
  }
  REQUIRE(office.store.published.size() == 1);
  CHECK(office.store.published[0].first == object);
  CHECK(text(office.store.published[0].second.head) == "head");

  office.coordinator.drop(object);
  for (const int worker : {1, 2}) {
    const auto messages = office.told(worker);
    REQUIRE(messages.size() == 1);
    CHECK(std::get<to_worker::DropObject>(messages[0]).object == object);
  }
  CHECK(office.store.dropped == std::vector{object});
}

TEST_CASE("a dropped object stays while a task that names it is unfinished") {
  Office office(1);
  const CallId call = office.coordinator.start_call({.n_jobs = 1}, office.inbox);
  const ObjectId object = office.coordinator.share(Payload{bytes("x"), {}});
  office.submit(call, 1, {object, object});
  const auto messages = office.told(1);
  REQUIRE(messages.size() == 2);
  CHECK(std::holds_alternative<to_worker::ShareObject>(messages[0]));
  const auto& task = std::get<to_worker::RunTask>(messages[1]);
  CHECK(task.objects == std::vector{object, object});
  office.coordinator.drop(object);
  CHECK(office.told(1).empty());
  CHECK(office.store.dropped.empty());
  office.finish(1, task.task);
  CHECK(std::holds_alternative<to_worker::DropObject>(office.told(1).at(0)));
  CHECK(office.store.dropped == std::vector{object});
}

TEST_CASE("a dropped object goes when the tasks that name it are discarded") {
  Office office(1);
  const CallId call = office.coordinator.start_call({.n_jobs = 1}, office.inbox);
  const ObjectId object = office.coordinator.share(Payload{bytes("x"), {}});
  office.submit(call, 1);
  office.submit(call, 2, {object});
  office.progress();
  office.coordinator.drop(object);
  CHECK(office.store.dropped.empty());
  office.coordinator.end_call(call);
  office.progress();
  CHECK(office.store.dropped == std::vector{object});
}

TEST_CASE("workers are asked to leave and serve until they say goodbye") {
  Office office(2);
  const CallId call = office.coordinator.start_call({.n_jobs = 2}, office.inbox);
  office.submit(call, 8);
  office.progress();
  office.coordinator.stop_workers({5, "why"});
  for (const int worker : {1, 2}) {
    const auto messages = office.told(worker);
    const auto& stop = std::get<to_worker::Stop>(messages.back());
    CHECK(stop.status == 5);
    CHECK(stop.failure == "why");
    CHECK_FALSE(stop.ranks_lost);
  }
  auto serving = office.coordinator.serving_workers();
  REQUIRE(serving.size() == 2);
  CHECK(serving[0].worker == WorkerId{1});
  CHECK(serving[0].task == "fit_8");
  CHECK(serving[1].task.empty());
  for (const int worker : {1, 2}) {
    office.says(worker, to_coordinator::Goodbye{});
  }
  CHECK(office.coordinator.serving_workers().empty());
}

TEST_CASE("bytes that are no message are refused") {
  Office office(1);
  office.transport.arrives(1, Frame{bytes("not a message"), {}});
  CHECK_THROWS_AS(office.coordinator.progress(), SerializationError);
}

TEST_CASE("a task that failed is sent again and only its last attempt is handed on") {
  Office office(1);
  const CallId call =
      office.coordinator.start_call({.n_jobs = 1, .retries = 1, .retry_exceptions = true}, office.inbox);
  office.submit(call, 1);
  office.finish(1, office.tasks_of(1).at(0).task, TaskEnding::raised);
  CHECK(office.inbox.tasks.empty());
  const auto again = office.tasks_of(1);
  REQUIRE(again.size() == 1);
  CHECK(text(again[0].arguments.head) == "arguments");
  office.finish(1, again[0].task, TaskEnding::raised);
  REQUIRE(office.inbox.tasks.size() == 1);
  CHECK(office.inbox.tasks[0].ending == TaskEnding::raised);
  CHECK(office.inbox.tasks[0].attempts == 2);
  CHECK(office.inbox.tasks[0].name == "fit_1");
}
