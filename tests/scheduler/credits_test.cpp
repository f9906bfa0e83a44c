#include "scheduler/credits.hpp"

#include "support/catch.hpp"

using namespace joblib_mpi;

TEST_CASE("a worker holds only the running task while nothing is measured") {
  const Credits credits(32);
  CHECK(credits.per_worker(1'000'000, 4, 1e-3) == 1);
}

TEST_CASE("a worker holds what it works off in the prefetch time") {
  Credits credits(32);
  credits.observe(1e-3 / 4);
  CHECK(credits.per_worker(1'000'000, 4, 1e-3) == 5);  // four waiting and the running one
}

TEST_CASE("tiny tasks are held up to the limit") {
  for (const double seconds : {0.0, 1e-12, 1e-6}) {
    Credits credits(32);
    credits.observe(seconds);
    CHECK(credits.per_worker(1'000'000, 4, 1e-3) == 32);
  }
}

TEST_CASE("long tasks are never held ahead") {
  Credits credits(32);
  for (int task = 0; task < 100; ++task) {
    credits.observe(0.5);
    CHECK(credits.per_worker(1'000'000, 4, 1e-3) == 1);
  }
}

TEST_CASE("one task is held ahead while it is not too long") {
  Credits credits(32);
  credits.observe(0.5);
  CHECK(credits.per_worker(1'000'000, 4, 1e-3, 0.6) == 2);
  CHECK(credits.per_worker(1'000'000, 4, 1e-3, 0.5) == 1);
  CHECK(credits.per_worker(3, 4, 1e-3, 0.6) == 1);
  CHECK(credits.per_worker(1'000'000, 4, 2.0, 0.6) == 5);
}

TEST_CASE("the measure follows tasks that become longer or shorter") {
  Credits credits(32);
  credits.observe(1e-6);
  for (int task = 0; task < 100; ++task) credits.observe(0.1);
  CHECK(credits.per_worker(1'000'000, 4, 1e-3) == 1);
  for (int task = 0; task < 200; ++task) credits.observe(1e-6);
  CHECK(credits.per_worker(1'000'000, 4, 1e-3) == 32);
}

TEST_CASE("the last tasks are spread over the workers instead of held ahead") {
  Credits credits(32);
  credits.observe(1e-6);
  CHECK(credits.per_worker(3, 4, 1e-3) == 1);
  CHECK(credits.per_worker(0, 4, 1e-3) == 1);
  CHECK(credits.per_worker(8, 4, 1e-3) == 3);
  CHECK(credits.per_worker(400, 4, 1e-3) == 32);
}
