#include "support/catch.hpp"
#include <joblib_mpi/backend_registry.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <limits>
#include <string>
#include <thread>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using detail::active_config;

namespace config_test {
int same(int value) {
  return value;
}
}  // namespace config_test

namespace {
std::string active_backend() {
  return std::string(active_config().backend->name());
}
}  // namespace

TEST_CASE("without a session and a config the threading backend applies") {
  CHECK(active_backend() == "threading");
  CHECK_FALSE(active_config().n_jobs);
  CHECK_FALSE(active_config().verbose);
}

TEST_CASE("a config applies while it lives and an inner one changes only what it names") {
  {
    const parallel_config outer({.backend = "sequential", .n_jobs = 3});
    CHECK(active_backend() == "sequential");
    {
      const parallel_config inner({.n_jobs = 5, .verbose = 0});
      CHECK(active_backend() == "sequential");
      CHECK(active_config().n_jobs == 5);
      CHECK(active_config().verbose == 0);
      const parallel_config innermost({.backend = "threading"});
      CHECK(active_backend() == "threading");
      CHECK(active_config().n_jobs == 5);
    }
    CHECK(active_config().n_jobs == 3);
    CHECK_FALSE(active_config().verbose);
  }
  CHECK(active_backend() == "threading");
  CHECK_FALSE(active_config().n_jobs);
}

TEST_CASE("a config applies to its own thread only") {
  const parallel_config config({.backend = "sequential"});
  std::string elsewhere;
  std::thread([&] { elsewhere = active_backend(); }).join();
  CHECK(elsewhere == "threading");
  CHECK(active_backend() == "sequential");
}

TEST_CASE("an unknown backend is answered with the known ones") {
  const std::string expected = "unknown backend \"mip\"; known: sequential, threading";
  CHECK(error_text<UsageError>([] { const parallel_config config({.backend = "mip"}); }) == expected);
  CHECK(error_text<UsageError>(
            [] { (void)Parallel({.backend = "mip"})(std::vector{delayed<config_test::same>(1)}); }) == expected);
  CHECK(active_backend() == "threading");
}

TEST_CASE("the mpi backend outside of a session is answered with where it is known") {
  CHECK_THAT(error_text<UsageError>([] { const parallel_config config({.backend = "mpi"}); }),
             contains("inside MpiSession::run"));
}

TEST_CASE("no jobs at all are refused") {
  CHECK_THROWS_AS(parallel_config({.n_jobs = 0}), UsageError);
  CHECK_THAT(error_text<UsageError>([] {
               (void)Parallel({.n_jobs = 0, .backend = "sequential"})(std::vector{delayed<config_test::same>(1)});
             }),
             contains("n_jobs == 0 in Parallel has no meaning"));
  CHECK_FALSE(active_config().n_jobs);
}

TEST_CASE("options of a call go before the config") {
  const parallel_config config({.backend = "sequential"});
  CHECK_THROWS_AS(Parallel({.backend = "nowhere"})(std::vector{delayed<config_test::same>(1)}), UsageError);
  CHECK(Parallel({.n_jobs = 2, .backend = "threading"})(std::vector{delayed<config_test::same>(4)}) == std::vector{4});
}

TEST_CASE("inside a task nothing but the sequential backend applies") {
  const parallel_config config({.backend = "threading", .n_jobs = 4});
  {
    const detail::TaskScope scope;
    CHECK(active_backend() == "sequential");
    CHECK_FALSE(active_config().n_jobs);
  }
  CHECK(active_backend() == "threading");
  CHECK(active_config().n_jobs == 4);
}

TEST_CASE("retries and limits nest as the other options do") {
  const parallel_config outer({.retries = 5, .retry_exceptions = true, .task_timeout_seconds = 2.5});
  const parallel_config inner({.retries = 0, .memory_limit_bytes = 1000});
  CHECK(active_config().retries == 0U);
  CHECK(active_config().retry_exceptions == true);
  CHECK(active_config().task_timeout_seconds == 2.5);
  CHECK(active_config().memory_limit_bytes == std::uint64_t{1000});
}

TEST_CASE("what is said of large results nests one by one") {
  const parallel_config outer({.spill_threshold_bytes = 1000, .spill_dir = "/scratch", .keep_spill = true});
  const parallel_config inner({.memory_budget_bytes = 5000, .keep_spill = false, .spill_compression = "gzip"});
  const SpillOptions spill = active_config().spill;
  CHECK(spill.threshold_bytes == std::uint64_t{1000});
  CHECK(spill.memory_budget_bytes == std::uint64_t{5000});
  CHECK(spill.folder == "/scratch");
  CHECK(spill.keep == false);
  CHECK(spill.compression == "gzip");
}

TEST_CASE("a time limit that is no time is refused with its value") {
  for (const double seconds : {0.0, -1.5, std::numeric_limits<double>::quiet_NaN()}) {
    INFO(seconds);
    CHECK_THROWS_AS(parallel_config({.task_timeout_seconds = seconds}), UsageError);
    CHECK_THROWS_AS(Parallel({.task_timeout_seconds = seconds})(std::vector{delayed<config_test::same>(1)}),
                    UsageError);
  }
  CHECK(error_text<UsageError>([] { const parallel_config config({.task_timeout_seconds = -1.5}); }) ==
        "task_timeout_seconds = -1.5 is no time: give a number of seconds above 0, or leave it out for no limit");
}
