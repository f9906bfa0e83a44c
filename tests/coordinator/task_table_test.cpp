#include "coordinator/task_table.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {
TaskTable::Entry entry(std::uint64_t index, int worker = 0) {
  return {nullptr, "fit", {TaskId{}, CallId{1}, {}, {}, {}, index}, WorkerId{worker}, 0, worker != 0};
}
}  // namespace

TEST_CASE("a task is found under its id until it is removed") {
  TaskTable table;
  const TaskId first = table.add(entry(10));
  const TaskId second = table.add(entry(20));
  CHECK(first != second);
  CHECK(table.size() == 2);
  CHECK(table.at(first).message.index == 10);
  CHECK(table.at(second).message.index == 20);
  table.remove(first);
  CHECK(table.size() == 1);
  CHECK(table.at(second).message.index == 20);
}

TEST_CASE("a complete task is not found even when its slot is used again") {
  TaskTable table;
  CHECK(table.find(TaskId{0, 0}) == nullptr);
  const TaskId first = table.add(entry(10));
  CHECK(table.find(first) == &table.at(first));
  CHECK(table.at(first).message.task == first);
  table.remove(first);
  CHECK(table.find(first) == nullptr);
  const TaskId second = table.add(entry(20));
  CHECK(table.find(first) == nullptr);
  CHECK(table.find(second)->message.index == 20);
}

TEST_CASE("slots are used again under another generation") {
  TaskTable table;
  const TaskId first = table.add(entry(10));
  table.remove(first);
  const TaskId second = table.add(entry(20));
  CHECK(second.slot == first.slot);
  CHECK(second.generation != first.generation);
  CHECK(table.size() == 1);
}

TEST_CASE("a removed task gives its memory back") {
  TaskTable table;
  auto owner = std::make_shared<const std::string>("large");
  TaskTable::Entry large = entry(1);
  large.message.arguments.parts.emplace_back(owner, std::as_bytes(std::span(*owner)));
  const TaskId task = table.add(std::move(large));
  CHECK(owner.use_count() == 2);
  table.remove(task);
  CHECK(owner.use_count() == 1);
}

TEST_CASE("a task that a worker holds is found by the worker") {
  TaskTable table;
  CHECK(table.any_of(WorkerId{2}) == nullptr);
  const TaskId first = table.add(entry(10, 1));
  const TaskId second = table.add(entry(20, 2));
  REQUIRE(table.any_of(WorkerId{2}) != nullptr);
  CHECK(table.any_of(WorkerId{2})->message.index == 20);
  table.remove(second);
  CHECK(table.any_of(WorkerId{2}) == nullptr);
  CHECK(table.any_of(WorkerId{1}) == &table.at(first));
  CHECK(table.count_of(WorkerId{1}) == 1);
  table.at(first).held = false;
  CHECK(table.any_of(WorkerId{1}) == nullptr);
  CHECK(table.count_of(WorkerId{1}) == 0);
}

TEST_CASE("the last items of a batch become as many tasks as there are workers for them") {
  TaskTable table;
  TaskTable::Entry batch = entry(100, 1);
  batch.message.items = {10, 8};
  const TaskId id = table.add(std::move(batch));
  const auto items = [&](TaskId task) { return table.at(task).message.items; };

  const auto added = table.divide(id, {11, 7}, 3);
  REQUIRE(added.size() == 3);
  CHECK(items(id) == ItemRange{10, 1});
  CHECK(items(added[0]) == ItemRange{11, 2});
  CHECK(items(added[1]) == ItemRange{13, 2});
  CHECK(items(added[2]) == ItemRange{15, 3});
  for (const TaskId part : added) {
    CHECK(table.at(part).message.index == 100);
    CHECK(table.at(part).message.task == part);
    CHECK(table.at(part).name == "fit");
    CHECK_FALSE(table.at(part).held);
    CHECK(table.at(part).worker == WorkerId{});
  }
  CHECK(table.divide(added[2], {16, 2}, 5).size() == 2);
  CHECK(items(added[2]) == ItemRange{15, 1});
  CHECK(table.divide(added[1], {14, 1}, 0).size() == 1);
  CHECK(table.size() == 7);
}

TEST_CASE("items that are not the last of a batch, or all of it, are not taken away") {
  TaskTable table;
  TaskTable::Entry batch = entry(100, 1);
  batch.message.items = {10, 8};
  const TaskId id = table.add(std::move(batch));
  for (const ItemRange items : {ItemRange{11, 6}, ItemRange{10, 8}, ItemRange{12, 7}, ItemRange{9, 9}, ItemRange{18, 0},
                                ItemRange{0xFFFFFFFF, 1}, ItemRange{11, 0xFFFFFFFF}}) {
    CHECK(table.divide(id, items, 2).empty());
    CHECK(table.at(id).message.items == ItemRange{10, 8});
  }
  CHECK(table.size() == 1);
}

TEST_CASE("a task is found as held by its worker alone") {
  TaskTable table;
  const TaskId held = table.add(entry(1, 2));
  const TaskId waiting = table.add(entry(2));
  CHECK(table.find_held(held, WorkerId{2}) == &table.at(held));
  CHECK(table.find_held(held, WorkerId{1}) == nullptr);
  CHECK(table.find_held(waiting, WorkerId{}) == nullptr);
  table.remove(held);
  CHECK(table.find_held(held, WorkerId{2}) == nullptr);
}
