#include "scheduler/worker_table.hpp"

#include "support/catch.hpp"

#include <map>
#include <random>

using namespace joblib_mpi;

namespace {
WorkerTable table_of(int workers) {
  WorkerTable table;
  for (int worker = 1; worker <= workers; ++worker) table.add(WorkerId{worker});
  return table;
}
}  // namespace

TEST_CASE("a table without workers has none to offer") {
  const WorkerTable table;
  CHECK(table.size() == 0);
  CHECK_FALSE(table.least_loaded(100));
}

TEST_CASE("new workers hold nothing and are offered in the order in which they came") {
  WorkerTable table = table_of(3);
  CHECK(table.size() == 3);
  for (const int expected : {1, 2, 3}) {
    CHECK(table.load(WorkerId{expected}) == 0);
    const auto worker = table.least_loaded(1);
    REQUIRE(worker == WorkerId{expected});
    table.increment(*worker);
  }
  CHECK_FALSE(table.least_loaded(1));
  CHECK(table.least_loaded(2) == WorkerId{1});
}

TEST_CASE("a worker below the limit is offered and none at it") {
  WorkerTable table = table_of(1);
  CHECK_FALSE(table.least_loaded(0));
  table.increment(WorkerId{1});
  table.increment(WorkerId{1});
  CHECK_FALSE(table.least_loaded(2));
  CHECK(table.least_loaded(3) == WorkerId{1});
}

TEST_CASE("among equally loaded workers the one that has waited longest is offered") {
  WorkerTable table = table_of(3);
  for (const int worker : {1, 2, 3}) table.increment(WorkerId{worker});
  table.decrement(WorkerId{2});
  table.decrement(WorkerId{1});
  CHECK(table.least_loaded(5) == WorkerId{2});
  table.increment(WorkerId{2});
  CHECK(table.least_loaded(5) == WorkerId{1});
}

TEST_CASE("workers may join with any ids in any order") {
  WorkerTable table;
  table.add(WorkerId{40});
  table.add(WorkerId{2});
  CHECK(table.size() == 2);
  table.increment(WorkerId{40});
  CHECK(table.least_loaded(1) == WorkerId{2});
}

TEST_CASE("an avoided worker is offered only where no other holds as few tasks") {
  WorkerTable table = table_of(2);
  CHECK(table.least_loaded(1, WorkerId{1}) == WorkerId{2});
  CHECK(table.least_loaded(1, WorkerId{2}) == WorkerId{1});
  table.increment(WorkerId{2});
  CHECK(table.least_loaded(5, WorkerId{1}) == WorkerId{1});
}

TEST_CASE("a full worker is not offered until it is free") {
  WorkerTable table = table_of(2);
  table.set_full(WorkerId{1});
  CHECK(table.size() == 2);
  CHECK(table.contains(WorkerId{1}));
  table.increment(WorkerId{2});
  CHECK(table.least_loaded(100) == WorkerId{2});
  CHECK_FALSE(table.least_loaded(1));
  table.set_free(WorkerId{1});
  CHECK(table.least_loaded(1) == WorkerId{1});
}

TEST_CASE("a removed worker is gone even if it holds tasks and may come back") {
  WorkerTable table = table_of(3);
  CHECK_FALSE(table.contains(WorkerId{9}));
  table.increment(WorkerId{2});
  table.set_full(WorkerId{3});
  table.remove(WorkerId{2});
  table.remove(WorkerId{3});
  CHECK(table.size() == 1);
  CHECK_FALSE(table.contains(WorkerId{2}));
  table.increment(WorkerId{1});
  CHECK(table.least_loaded(100) == WorkerId{1});
  table.add(WorkerId{2});
  CHECK(table.least_loaded(100) == WorkerId{2});
}

TEST_CASE("after random moves the offered worker is one of the least loaded") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    std::mt19937 random(seed);
    constexpr int workers = 50;
    WorkerTable table = table_of(workers);
    std::map<int, std::size_t> loads;
    for (int worker = 1; worker <= workers; ++worker) loads[worker] = 0;
    bool right = true;
    for (int step = 0; step < 20'000 && right; ++step) {
      const int worker = static_cast<int>(random() % workers) + 1;
      if (loads[worker] > 0 && random() % 2 == 0) {
        --loads[worker];
        table.decrement(WorkerId{worker});
      } else {
        ++loads[worker];
        table.increment(WorkerId{worker});
      }
      std::size_t least = loads.begin()->second;
      for (const auto& [id, load] : loads) least = std::min(least, load);
      const auto offered = table.least_loaded(1000);
      right = offered && loads[offered->value] == least && table.load(*offered) == least &&
              !table.least_loaded(least) && table.load(WorkerId{worker}) == loads[worker];
    }
    INFO("seed " << seed);
    CHECK(right);
  }
}
