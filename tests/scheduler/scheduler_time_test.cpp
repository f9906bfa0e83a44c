#include "scheduler/scheduler.hpp"
#include "support/catch.hpp"
#include "support/rounds.hpp"
#include "support/timed_cluster.hpp"

#include <cmath>
#include <cstddef>
#include <random>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Returns the part of the time that a list schedule without messages takes, by the time that the cluster takes.
double efficiency(const TimedCluster::Options& options) {
  TimedCluster cluster(options);
  return cluster.list_schedule_seconds() / cluster.run();
}

}  // namespace

TEST_CASE("a call takes hardly longer than a list schedule without messages") {
  for (const std::size_t workers : {64, 1000}) {
    CAPTURE(workers);
    CHECK(efficiency({.seed = 1, .workers = workers, .tasks = 100'000}) >= 0.98);
    CHECK(efficiency({.seed = 2, .workers = workers, .tasks = 100'000, .losses = (workers + 99) / 100}) >= 0.98);
  }
}

TEST_CASE("workers that give nothing back have all results too, a little later") {
  CHECK(efficiency({.seed = 1, .workers = 64, .tasks = 100'000, .gives_back = false}) >= 0.9);
  CHECK(efficiency({.seed = 2, .workers = 64, .tasks = 100'000, .losses = 1, .gives_back = false}) >= 0.9);
}

TEST_CASE("in random schedules each task has one result, and none waits for long while a worker is idle") {
  for (unsigned seed = 1; seed <= 1000 * rounds(); ++seed) {
    std::mt19937 random(seed);
    const TimedCluster::Options options{.seed = seed,
                                        .workers = 1 + random() % 16,
                                        .tasks = 1 + random() % 300,
                                        .mean_seconds = std::pow(10.0, -6.0 + static_cast<double>(random() % 5)),
                                        .sigma = static_cast<double>(random() % 4),
                                        .latency_seconds = 1e-6 * static_cast<double>(1 + random() % 100)};
    INFO("seed " << seed);
    TimedCluster cluster(options);
    CHECK_NOTHROW(cluster.run());
    // While messages keep arriving there is no lull, but then workers work off what they hold ahead.
    CHECK(cluster.most_wasted_seconds() <= options.scheduler.prefetch_seconds + 4 * options.latency_seconds);
  }
}
