// Tests of calls in a cluster that loses workers.

#include "support/catch.hpp"
#include "support/loopback_cluster.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/scatter.hpp>

#include <boost/serialization/vector.hpp>

#include <atomic>
#include <optional>
#include <ranges>
#include <set>
#include <stdexcept>
#include <utility>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;
using Death = LoopbackTransport::Death;

namespace cluster_loss_test {

/// The heartbeat of tests in which workers fall silent. Time in which rank 0 itself stands still for half of it does
/// not count: if it were much shorter, no worker would ever be found silent on a busy machine.
constexpr double heartbeat_seconds = 2.0;

std::atomic<LoopbackCluster*> current{nullptr};

thread_local bool is_dead = false;

/// Makes the rank of the calling task die. The function continues, since a thread cannot be ended, and so may other
/// tasks that the rank has, but their results are lost.
void die(Death death) {
  is_dead = true;
  current.load()->transport(LoopbackCluster::rank_of_this_thread()).die(death);
}

std::atomic<int> deaths{0};
std::atomic<int> deaths_wanted{0};
std::atomic<int> paused_rank{0};

/// Makes the ranks of the first tasks that reach it die.
int square_or_die(int value) {
  if (value % 50 == 49 && !is_dead && deaths < deaths_wanted && ++deaths <= deaths_wanted) die(Death::found);
  return value * value;
}
int poison(int value) {
  if (value == 7) {
    ++deaths;
    die(Death::found);
  }
  return value;
}
double first_plus(const std::vector<double>& values, double more) {
  return values.front() + values.back() + more;
}
double pause_with_object(const std::vector<double>& values, int value) {
  if (value == 0 && deaths < 1 && ++deaths <= 1) {
    paused_rank = LoopbackCluster::rank_of_this_thread();
    current.load()->transport(paused_rank).pause();
  }
  return values.back() + value;
}
int rank_here(const std::vector<double>& values, double last) {
  return values.back() == last ? LoopbackCluster::rank_of_this_thread() : -1;
}
double die_with_object(const std::vector<double>& values, int value) {
  if (value == 0 && deaths < 1 && ++deaths <= 1) die(Death::found);
  return values.back() + value;
}

std::atomic<bool> gate{false};
std::atomic<int> waiting{0};
int wait_for_gate(int value) {
  ++waiting;
  while (!gate) std::this_thread::yield();
  return value;
}
std::atomic<int> attempts{0};
int fail_often(int value) {
  if (++attempts <= 2) throw std::runtime_error("not yet");
  return value;
}
int refuse_odd(int value) {
  if (value % 2 == 1) throw std::domain_error("odd");
  return value;
}

class Cluster : public LoopbackCluster {
 public:
  explicit Cluster(int workers, const Settings& settings = {}) : LoopbackCluster(workers, settings) {
    current = this;
    deaths = 0;
    gate = false;
    waiting = 0;
    attempts = 0;
  }
  ~Cluster() { gate = true; }
};

TEST_CASE("all results come back although workers die") {
  for (int round = 0; round < 10; ++round) {
    Cluster cluster(5);
    deaths_wanted = 3;
    const auto results =
        Parallel({.retries = 5})(iota(0, 1000) | transform([](int value) { return delayed<square_or_die>(value); }));
    REQUIRE(results.size() == 1000);
    for (int value = 0; value < 1000; ++value) CHECK(results[static_cast<std::size_t>(value)] == value * value);
    CHECK(cluster.coordinator().lost_workers().size() == 3);
  }
}

TEST_CASE("a task that kills every rank it meets takes exactly its attempts and fails by name") {
  Cluster cluster(5);
  const auto outcomes =
      Parallel({.retries = 1}).outcomes(iota(0, 200) | transform([](int value) { return delayed<poison>(value); }));
  REQUIRE(outcomes.size() == 200);
  for (int value = 0; value < 200; ++value) {
    const auto& outcome = outcomes[static_cast<std::size_t>(value)];
    CHECK(outcome.has_value() == (value != 7));
    if (outcome) CHECK(*outcome == value);
  }
  CHECK(deaths == 2);
  const std::string text = error_text<WorkerLostError>([&] { (void)outcomes[7].value(); });
  CHECK_THAT(text, contains("task 7, \"cluster_loss_test::poison\", was lost with its executor on rank "));
  CHECK_THAT(text, contains("the rank was lost (was found dead by MPI); 2 attempts were made"));
}

TEST_CASE("when all workers are dead a call ends and so does each later one") {
  Cluster cluster(2);
  for (const int rank : {1, 2}) cluster.transport(rank).die(Death::found);
  const auto calls = iota(0, 10) | transform([](int value) { return delayed<refuse_odd>(value); });
  for (int round = 0; round < 2; ++round) {
    CHECK_THAT(error_text<WorkerLostError>([&] { Parallel()(calls); }), contains("no worker is left"));
  }
}

TEST_CASE("objects that were shared before, while and after a worker is lost are where the tasks run") {
  for (int round = 0; round < 10; ++round) {
    Cluster cluster(4);
    const auto before = scatter(std::vector<double>(20'000, 1.0));
    const auto calls_on = [](const auto& object) {
      return iota(0, 50) | transform([&object](int value) { return delayed<die_with_object>(object, value); });
    };
    CHECK(Parallel({.retries = 5})(calls_on(before)).back() == 50.0);
    CHECK(cluster.coordinator().lost_workers().size() == 1);
    cluster.transport(cluster.a_living_rank()).die(Death::found);
    const auto while_away = scatter(std::vector<double>(20'000, 2.0));
    CHECK(Parallel({.retries = 5})(calls_on(while_away)).back() == 51.0);
    const auto after = scatter(std::vector<double>(20'000, 3.0));
    CHECK(Parallel()(calls_on(after)).back() == 52.0);
    CHECK(Parallel()(calls_on(before)).back() == 50.0);
  }
}

TEST_CASE("a late result of a worker that was given up is not taken") {
  Cluster cluster(2);
  std::vector<int> results;
  std::jthread giving_up([&] {
    while (waiting < 2) std::this_thread::yield();
    cluster.driver().lose(WorkerId{1}, "was unplugged");
    gate = true;
  });
  results = Parallel()(iota(0, 20) | transform([](int value) { return delayed<wait_for_gate>(value); }));
  giving_up.join();
  REQUIRE(results.size() == 20);
  for (int value = 0; value < 20; ++value) CHECK(results[static_cast<std::size_t>(value)] == value);
  CHECK(waiting == 21);
}

TEST_CASE("a worker that dies without a word is found by its silence") {
  Settings settings;
  settings.heartbeat_seconds = heartbeat_seconds;
  settings.start_seconds = heartbeat_seconds;
  Cluster cluster(4, settings);
  cluster.transport(2).die(Death::silent);
  // There are enough attempts to lose all workers but one: on a busy machine, others may be silent for as long.
  const auto results =
      Parallel({.retries = 10})(iota(0, 100) | transform([](int value) { return delayed<refuse_odd>(2 * value); }));
  CHECK(results.size() == 100);
  CHECK(results.back() == 198);
  const auto& lost = cluster.coordinator().lost_workers();
  const auto silent = std::ranges::find(lost, WorkerId{2}, &LostWorker::worker);
  REQUIRE(silent != lost.end());
  CHECK_THAT(silent->reason, contains(" 2 s"));
}

TEST_CASE("a worker that pauses for longer than the heartbeat and comes back works on with all objects") {
  Settings settings;
  settings.heartbeat_seconds = heartbeat_seconds;
  Cluster cluster(3, settings);
  const auto before = scatter(std::vector<double>(20'000, 1.0));
  auto dropped = std::make_optional(scatter(std::vector<double>(20'000, 9.0)));
  CHECK(Parallel({.retries = 10})(iota(0, 50) |
                                  transform([&](int value) { return delayed<pause_with_object>(before, value); }))
            .back() == 50.0);
  const WorkerId paused{paused_rank};
  const auto is_lost = [&] {
    return std::ranges::none_of(cluster.coordinator().serving_workers(),
                                [&](const ServingWorker& serving) { return serving.worker == paused; });
  };
  while (!is_lost()) cluster.driver().drive();
  dropped.reset();
  const auto during = scatter(std::vector<double>(20'000, 2.0));
  cluster.transport(paused.value).resume();
  while (is_lost()) cluster.driver().drive();
  const auto after = scatter(std::vector<double>(20'000, 3.0));
  // On a busy machine it may be silent for so long again, but not each time.
  for (const auto& [object, last] : {std::pair(before, 1.0), std::pair(during, 2.0), std::pair(after, 3.0)}) {
    std::set<int> ranks;
    while (!ranks.contains(paused.value)) {
      for (const int rank : Parallel({.retries = 10})(iota(0, 30) | transform([&object = object, last = last](int) {
                                                        return delayed<rank_here>(object, last);
                                                      }))) {
        ranks.insert(rank);
      }
      REQUIRE_FALSE(ranks.contains(-1));
    }
  }
}

TEST_CASE("a worker that stays silent does not keep the others from leaving") {
  Settings settings;
  settings.heartbeat_seconds = heartbeat_seconds;
  settings.start_seconds = heartbeat_seconds;
  Cluster cluster(2, settings);
  cluster.transport(1).pause();
  CHECK(Parallel({.retries = 10})(iota(0, 20) | transform([](int value) { return delayed<refuse_odd>(2 * value); }))
            .back() == 38);
  while (!cluster.driver().stop_workers({0, ""}, 1.0).empty()) {
  }
}

TEST_CASE("a task that cannot be stopped costs its rank and fails with its time limit") {
  Cluster cluster(2);
  const auto outcomes =
      Parallel({.retries = 0, .task_timeout_seconds = 0.1}).outcomes(iota(0, 1) | transform([](int value) {
                                                                       return delayed<wait_for_gate>(value);
                                                                     }));
  gate = true;
  const std::string text = error_text<TaskTimeoutError>([&] { (void)outcomes.at(0).value(); });
  CHECK_THAT(text, contains("a task ran longer than its time limit of 0.1 s and cannot be interrupted"));
  CHECK(Parallel()(iota(0, 10) | transform([](int value) { return delayed<refuse_odd>(2 * value); })).size() == 10);
}

TEST_CASE("a task that throws runs again on the workers where that is asked for") {
  Cluster cluster(2);
  const auto once = [] { return std::vector{delayed<fail_often>(4)}; };
  CHECK(Parallel({.retries = 2, .retry_exceptions = true})(once()) == std::vector{4});
  attempts = 0;
  CHECK_THROWS_AS(Parallel({.retries = 2})(once()), std::runtime_error);
}

TEST_CASE("all tasks run when outcomes are asked for") {
  Cluster cluster(3);
  const auto outcomes =
      Parallel().outcomes(iota(0, 100) | transform([](int value) { return delayed<refuse_odd>(value); }));
  REQUIRE(outcomes.size() == 100);
  for (int value = 0; value < 100; ++value) {
    CHECK(outcomes[static_cast<std::size_t>(value)].has_value() == (value % 2 == 0));
  }
  CHECK_THROWS_AS(outcomes[1].value(), TaskFailure);
}

}  // namespace cluster_loss_test
