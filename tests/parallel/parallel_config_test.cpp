#include "core/task_scope.hpp"
#include "parallel/resolve_options.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/detail/active_config.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using detail::active_config;

namespace config_test {
int same(int value) {
  return value;
}
int finished = 0;
int finish(int value) {
  ++finished;
  return value;
}
}  // namespace config_test

namespace {
std::string active_backend() {
  return std::string(active_config().backend->name());
}

/// A backend whose calls reach every deadline without a result.
class StuckBackend final : public Backend {
 public:
  std::string_view name() const noexcept override { return "stuck"; }
  int effective_n_jobs(int) const override { return 1; }
  int default_n_jobs() const noexcept override { return 1; }
  std::unique_ptr<BackendCall> start_call(const CallOptions&, ResultSink&) override { return std::make_unique<Call>(); }
  std::shared_ptr<const ObjectId> share(Payload) override { return nullptr; }
  bool in_process() const noexcept override { return true; }

 private:
  class Call final : public BackendCall {
    void submit(std::size_t, Task&) override {}
    bool wait(Deadline deadline) override {
      if (!deadline) throw std::logic_error("a call without a deadline would wait without end");
      return false;
    }
    void stop_starting() override {}
  };
};

}  // namespace

TEST_CASE("without a session and a config the threading backend applies") {
  CHECK(active_backend() == "threading");
  CHECK_FALSE(active_config().options.n_jobs);
  CHECK_FALSE(active_config().options.verbose);
}

TEST_CASE("a config applies while it lives and an inner one changes only what it names") {
  {
    const parallel_config outer({.n_jobs = 3, .backend = "sequential"});
    CHECK(active_backend() == "sequential");
    {
      const parallel_config inner({.n_jobs = 5, .verbose = 0});
      CHECK(active_backend() == "sequential");
      CHECK(active_config().options.n_jobs == 5);
      CHECK(active_config().options.verbose == 0);
      const parallel_config innermost({.backend = "threading"});
      CHECK(active_backend() == "threading");
      CHECK(active_config().options.n_jobs == 5);
    }
    CHECK(active_config().options.n_jobs == 3);
    CHECK_FALSE(active_config().options.verbose);
  }
  CHECK(active_backend() == "threading");
  CHECK_FALSE(active_config().options.n_jobs);
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
  CHECK_FALSE(active_config().options.n_jobs);
}

TEST_CASE("options of a call go before the config") {
  const parallel_config config({.backend = "sequential"});
  CHECK_THROWS_AS(Parallel({.backend = "nowhere"})(std::vector{delayed<config_test::same>(1)}), UsageError);
  CHECK(Parallel({.n_jobs = 2, .backend = "threading"})(std::vector{delayed<config_test::same>(4)}) == std::vector{4});
}

TEST_CASE("inside a task nothing but the sequential backend applies") {
  const parallel_config config({.n_jobs = 4, .backend = "threading"});
  {
    const TaskScope scope;
    CHECK(active_backend() == "sequential");
    CHECK_FALSE(active_config().options.n_jobs);
  }
  CHECK(active_backend() == "threading");
  CHECK(active_config().options.n_jobs == 4);
}

TEST_CASE("a config inside a task applies to that task's calls, and not inside their tasks") {
  const TaskScope task;
  const parallel_config config({.n_jobs = 3, .backend = "threading"});
  CHECK(active_backend() == "threading");
  {
    const TaskScope inner_task;
    CHECK(active_backend() == "sequential");
    CHECK_FALSE(active_config().options.n_jobs);
    const parallel_config inner_config({.n_jobs = 2});
    CHECK(active_backend() == "sequential");
    CHECK(active_config().options.n_jobs == 2);
  }
  CHECK(active_config().options.n_jobs == 3);
}

TEST_CASE("retries and limits nest as the other options do") {
  const parallel_config outer({.retries = 5, .retry_exceptions = true, .task_timeout_seconds = 2.5});
  const parallel_config inner({.retries = 0, .memory_limit_bytes = 1000});
  CHECK(active_config().options.retries == 0U);
  CHECK(active_config().options.retry_exceptions == true);
  CHECK(active_config().options.task_timeout_seconds == 2.5);
  CHECK(active_config().options.memory_limit_bytes == std::uint64_t{1000});
}

TEST_CASE("what is said of large results nests one by one") {
  const parallel_config outer({.spill_threshold_bytes = 1000, .spill_dir = "/scratch", .keep_spill = true});
  const parallel_config inner({.memory_budget_bytes = 5000, .keep_spill = false, .spill_compression = "gzip"});
  const detail::ActiveConfig config = active_config();
  const SpillOptions spill = resolved(config.options, *config.backend).spill;
  CHECK(spill.threshold_bytes == std::uint64_t{1000});
  CHECK(spill.memory_budget_bytes == std::uint64_t{5000});
  CHECK(spill.folder == "/scratch");
  CHECK(spill.keep == false);
  CHECK(spill.compression == "gzip");
}

TEST_CASE("a config says how far ahead of their results calls take tasks unless they say it themselves") {
  const auto most_ahead = [](const ParallelOptions& options) {
    config_test::finished = 0;
    int taken = 0;
    int most = 0;
    const auto calls = std::views::iota(0, 20) | std::views::transform([&](int value) {
                         most = std::max(most, ++taken - config_test::finished);
                         return delayed<config_test::finish>(value);
                       });
    (void)Parallel(options)(calls);
    return most - 1;  // the loop holds one more task while it waits for room
  };
  const parallel_config config({.backend = "sequential", .pre_dispatch = 3});
  CHECK(most_ahead({}) == 3);
  CHECK(most_ahead({.pre_dispatch = 7}) == 7);
  const parallel_config inner({.pre_dispatch = 5});
  CHECK(most_ahead({}) == 5);
}

TEST_CASE("a config says how long calls wait for a result unless they say it themselves") {
  register_backend("stuck", std::make_shared<StuckBackend>());
  const auto text_of_timeout = [](const ParallelOptions& options) {
    return error_text<TimeoutError>([&] { (void)Parallel(options)(std::vector{delayed<config_test::same>(1)}); });
  };
  {
    const parallel_config config({.backend = "stuck", .timeout_seconds = 2.5});
    CHECK_THAT(text_of_timeout({}), contains("timeout_seconds = 2.5"));
    CHECK_THAT(text_of_timeout({.timeout_seconds = 1.5}), contains("timeout_seconds = 1.5"));
    const parallel_config inner({.timeout_seconds = 3.5});
    CHECK_THAT(text_of_timeout({}), contains("timeout_seconds = 3.5"));
  }
  unregister_backend("stuck");
}

TEST_CASE("what is merged takes each option that the inner options leave unset from the outer ones") {
  const ParallelOptions outer{.n_jobs = 1,
                              .backend = "outer",
                              .verbose = 2,
                              .pre_dispatch = 3,
                              .timeout_seconds = 4,
                              .retries = 5,
                              .retry_exceptions = true,
                              .task_timeout_seconds = 6,
                              .memory_limit_bytes = 7,
                              .checkpoint = "outer.h5",
                              .spill_threshold_bytes = 8,
                              .memory_budget_bytes = 9,
                              .spill_dir = "/outer",
                              .keep_spill = true,
                              .spill_compression = "gzip"};
  const ParallelOptions from_outer = merged({}, outer);
  CHECK((from_outer.n_jobs == 1 && from_outer.backend == "outer" && from_outer.verbose == 2));
  CHECK((from_outer.pre_dispatch == 3U && from_outer.timeout_seconds == 4.0));
  CHECK((from_outer.retries == 5U && from_outer.retry_exceptions == true));
  CHECK((from_outer.task_timeout_seconds == 6.0 && from_outer.memory_limit_bytes == 7U));
  CHECK((from_outer.checkpoint == "outer.h5" && from_outer.spill_threshold_bytes == 8U));
  CHECK((from_outer.memory_budget_bytes == 9U && from_outer.spill_dir == "/outer"));
  CHECK((from_outer.keep_spill == true && from_outer.spill_compression == "gzip"));
  const ParallelOptions inner = merged({.n_jobs = -1, .keep_spill = false}, outer);
  CHECK((inner.n_jobs == -1 && inner.keep_spill == false && inner.retries == 5U));
}

TEST_CASE("a time limit that is not above 0 is refused with its value") {
  for (const double seconds : {0.0, -1.5, std::numeric_limits<double>::quiet_NaN()}) {
    INFO(seconds);
    CHECK_THROWS_AS(parallel_config({.task_timeout_seconds = seconds}), UsageError);
    CHECK_THROWS_AS(Parallel({.task_timeout_seconds = seconds})(std::vector{delayed<config_test::same>(1)}),
                    UsageError);
  }
  CHECK(error_text<UsageError>([] { const parallel_config config({.task_timeout_seconds = -1.5}); }) ==
        "task_timeout_seconds must be greater than 0, but is -1.5; leave it unset for no limit");
}

TEST_CASE("waits and windows and limits that cannot be are refused") {
  const double no_number = std::numeric_limits<double>::quiet_NaN();
  for (const ParallelOptions& options : {
           ParallelOptions{.pre_dispatch = 0},
           ParallelOptions{.timeout_seconds = 0},
           ParallelOptions{.timeout_seconds = -2},
           ParallelOptions{.timeout_seconds = no_number},
           ParallelOptions{.retries = static_cast<unsigned>(-1)},
           ParallelOptions{.memory_limit_bytes = 0},
       }) {
    CHECK_THROWS_AS(parallel_config(options), UsageError);
    CHECK_THROWS_AS(Parallel(options)(std::vector{delayed<config_test::same>(1)}), UsageError);
  }
  CHECK(error_text<UsageError>([] { const parallel_config config({.pre_dispatch = 0}); }) ==
        "pre_dispatch must be greater than 0, but is 0; leave it unset for the default");
  CHECK_THAT(error_text<UsageError>([] { const parallel_config config({.retries = static_cast<unsigned>(-1)}); }),
             contains("retries must not be negative"));
}
