#include "checkpoint/checkpoint.hpp"

#include "checkpoint/hdf5_journal_layout.hpp"
#include "support/captured_stderr.hpp"
#include "support/catch.hpp"
#include "support/loopback_cluster.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/parallel_config.hpp>
#include <joblib_mpi/scatter.hpp>

#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace checkpoint_test {

std::atomic<int> ran{0};
std::atomic<bool> fails{false};

int square(int value) {
  ++ran;
  return value * value;
}
int cube(int value) {
  ++ran;
  return value * value * value;
}
void count(int) {
  ++ran;
}
std::vector<double> large(std::size_t size, double value) {
  ++ran;
  return std::vector<double>(size, value);
}
double sum(const std::vector<double>& values, double more) {
  ++ran;
  for (const double value : values) more += value;
  return more;
}
int refuse_odd(int value) {
  ++ran;
  if (fails && value % 2 == 1) throw std::domain_error("odd");
  return value;
}
int raise_signal_at_5(int value) {
  ++ran;
  if (fails && value == 5) raise(SIGUSR1);
  while (fails && value > 5 && !interruption()) std::this_thread::yield();
  return value;
}

struct Padded {
  char letter;
  double number;
};
double number_of(Padded padded) {
  ++ran;
  return padded.number;
}

/// An argument that cannot be sent.
struct Unspeakable {
  template <class Archive>
  void serialize(Archive&, unsigned) {
    throw std::logic_error("unspeakable");
  }
  std::string makes_it_no_plain_bytes = {};
};
int hear(const Unspeakable&) {
  return 0;
}
Unspeakable say(int) {
  return {};
}

namespace {

/// Rank 0 of a session with two workers, reduced to what checkpoints need.
struct Rank0 {
  Rank0() { forget_interruption(); }
  ~Rank0() { forget_interruption(); }
  Settings settings = [] {
    Settings changed;
    changed.checkpoint_grace_seconds = 60;
    changed.heartbeat_seconds = 0;  // a task of a worker that only seems dead would run twice
    changed.requeue_status = 99;
    return changed;
  }();
  CheckpointFiles files{lay_out_hdf5_journal, settings};
  LoopbackCluster cluster{2, settings};
};

template <auto function>
auto calls(int n_tasks) {
  return iota(0, n_tasks) | transform([](int value) { return delayed<function>(value); });
}

/// Returns how many tasks `function` runs.
template <class Function>
int runs(Function&& function) {
  ran = 0;
  function();
  return ran;
}

const std::vector<std::string> backends{"mpi", "threading", "sequential"};

}  // namespace

TEST_CASE("what a checkpoint has is not computed again on any backend") {
  const Rank0 rank_0;
  for (const std::string& backend : backends) {
    INFO(backend);
    const TemporaryFolder folder;
    const auto run = [&](int n_tasks) {
      return runs([&] {
        const parallel_config config({.backend = backend, .checkpoint = folder / "run.h5"});
        const std::vector<int> results = Parallel()(calls<square>(n_tasks));
        for (int value = 0; value < n_tasks; ++value)
          CHECK(results.at(static_cast<std::size_t>(value)) == value * value);
        Parallel()(calls<count>(n_tasks));
        const auto arrays = Parallel()(iota(0, n_tasks) | transform([](int value) {
                                         return delayed<large>(std::size_t{20000}, static_cast<double>(value));
                                       }));
        CHECK(arrays.back() == std::vector<double>(20000, n_tasks - 1));
      });
    };
    CHECK(run(10) == 30);
    CHECK(run(10) == 0);
    CHECK(run(12) == 6);
    CHECK(std::filesystem::exists(folder / "run.h5"));
    CHECK_FALSE(std::filesystem::exists(folder / "run.h5.parts"));
  }
}

TEST_CASE("a result of one backend is used on another") {
  const Rank0 rank_0;
  const TemporaryFolder folder;
  for (const std::string& backend : backends) {
    const int expected = backend == backends.front() ? 10 : 0;
    CHECK(runs([&] { Parallel({.backend = backend, .checkpoint = folder / "run.h5"})(calls<square>(10)); }) ==
          expected);
  }
}

TEST_CASE("calls of one Parallel object are numbered and an inner config has the checkpoint of the outer one") {
  const Rank0 rank_0;
  const TemporaryFolder folder;
  for (const int expected : {20, 0}) {
    CHECK(runs([&] {
            const Parallel parallel({.checkpoint = folder / "object.h5"});
            CHECK(parallel(calls<square>(10)).at(3) == 9);
            CHECK(parallel(calls<cube>(10)).at(3) == 27);
          }) == expected);
    CHECK(runs([&] {
            const parallel_config outer({.checkpoint = folder / "config.h5"});
            CHECK(Parallel()(calls<square>(10)).at(3) == 9);
            const parallel_config inner({.n_jobs = 1});
            CHECK(Parallel()(calls<cube>(10)).at(3) == 27);
          }) == expected);
  }
}

TEST_CASE("another function and other arguments are refused and what is there stays") {
  const Rank0 rank_0;
  const TemporaryFolder folder;
  const ParallelOptions options{.checkpoint = folder / "run.h5"};
  (void)Parallel(options)(calls<square>(10));
  CHECK_THROWS_WITH(
      Parallel(options)(calls<cube>(10)),
      contains("task 0 (\"checkpoint_test::cube\") of call 0") &&
          contains("(\"checkpoint_test::square\"): the function or something that it refers to has changed") &&
          contains("move the file away"));
  CHECK_THROWS_WITH(
      Parallel(options)(iota(0, 10) | transform([](int value) { return delayed<square>(value + value / 9); })),
      contains("task 9 (\"checkpoint_test::square\") of call 0") && contains("the arguments have changed"));
  CHECK(runs([&] { (void)Parallel(options)(calls<square>(10)); }) == 0);
}

TEST_CASE("a file of another program is refused") {
  const Rank0 rank_0;
  const TemporaryFolder folder;
  { Journal({.path = folder / "run.h5", .identity = "another program", .layout = lay_out_hdf5_journal}).finish(); }
  {
    Journal journal({.path = folder / "run.h5", .identity = "another program", .layout = lay_out_hdf5_journal});
    journal.append({0, 0}, {1, 2}, "f", Payload{});
    journal.finish();
  }
  CHECK_THROWS_AS(Parallel({.checkpoint = folder / "run.h5"})(calls<square>(10)), CheckpointError);
  CHECK_THROWS_WITH(Parallel({.checkpoint = folder / "run.h5"})(calls<square>(10)),
                    contains("another program") && contains("journal_tests") && contains("build"));
}

TEST_CASE("a scattered argument counts by its content and not by its id") {
  const Rank0 rank_0;
  const TemporaryFolder folder;
  const auto run = [&](double value, int scattered_before) {
    const parallel_config config({.checkpoint = folder / "run.h5"});
    std::vector<Shared<int>> others;
    for (int other = 0; other < scattered_before; ++other) others.push_back(scatter(other));
    const auto data = scatter(std::vector<double>(20000, value));
    return runs([&] {
      const auto sums = Parallel()(iota(0, 3) | transform([&](int more) { return delayed<sum>(data, more); }));
      CHECK(sums.at(2) == 20000 * value + 2);
    });
  };
  CHECK(run(0.5, 0) == 3);
  CHECK(run(0.5, 5) == 0);
  CHECK_THROWS_AS(run(0.25, 0), CheckpointError);
}

#if defined(__GNUC__) && !defined(__clang__)
TEST_CASE("bytes between the members of an argument do not count") {
  const Rank0 rank_0;
  const TemporaryFolder folder;
  for (const int garbage : {1, 2}) {
    const auto call = [garbage](int number) {
      Padded padded;
      std::memset(&padded, garbage, sizeof padded);
      padded.letter = 'a';
      padded.number = number;
      return delayed<number_of>(padded);
    };
    CHECK(runs([&] { Parallel({.checkpoint = folder / "run.h5"})(iota(0, 4) | transform(call)); }) ==
          (garbage == 1 ? 4 : 0));
  }
}
#endif

TEST_CASE("what has failed runs again and what has not does not") {
  Rank0 rank_0;
  for (const std::string& backend : backends) {
    const TemporaryFolder folder;
    const ParallelOptions options{.backend = backend, .checkpoint = folder / "run.h5"};
    fails = true;
    CHECK(runs([&] { CHECK_FALSE(Parallel(options).outcomes(calls<refuse_odd>(10)).at(1).has_value()); }) == 10);
    CHECK(runs([&] { CHECK_THROWS_AS(Parallel(options)(calls<refuse_odd>(10)), std::domain_error); }) >= 1);
    rank_0.cluster.drain();  // the tasks that the exception has cancelled
    fails = false;
    CHECK(runs([&] { CHECK(Parallel(options)(calls<refuse_odd>(10)).at(9) == 9); }) == 5);
  }
}

TEST_CASE("what cannot be serialized cannot be kept and says so") {
  const Rank0 rank_0;
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(Parallel({.backend = "threading", .checkpoint = folder / "run.h5"})(
                        iota(0, 1) | transform([](int) { return delayed<hear>(Unspeakable{}); })),
                    contains("cannot keep task 0 (\"checkpoint_test::hear\") of call 0") && contains("unspeakable"));
  const auto outcomes = Parallel({.backend = "threading", .checkpoint = folder / "run.h5"}).outcomes(calls<say>(2));
  CHECK_THROWS_WITH(outcomes.at(0).value(), contains("unspeakable"));
}

TEST_CASE("without a session a checkpoint is refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(Parallel({.backend = "sequential", .checkpoint = folder / "run.h5"})(calls<square>(3)),
                    contains("inside MpiSession::run"));
}

TEST_CASE("after a signal no task starts, what is finished is kept, and the interrupt comes again") {
  for (const std::string& backend : backends) {
    INFO(backend);
    const TemporaryFolder folder;
    std::optional<Rank0> rank_0(std::in_place);
    const ParallelOptions options{.backend = backend, .pre_dispatch = 10, .checkpoint = folder / "run.h5"};
    fails = true;
    int first = 0;
    const std::string said = captured_stderr([&] {
      first = runs([&] {
        try {
          (void)Parallel(options)(calls<raise_signal_at_5>(100));
          FAIL("no interrupt");
        } catch (const CheckpointInterrupt& interrupt) {
          CHECK(interrupt.status() == 99);
        }
      });
    });
    CHECK_THAT(said, contains("SIGUSR1: the run is ending: running tasks have 60 s") && contains("status 99"));
    CHECK(first >= 1);
    CHECK(first < 100);
    CHECK_FALSE(std::filesystem::exists(folder / "run.h5"));
    CHECK(runs([&] { CHECK_THROWS_AS(Parallel(options)(calls<raise_signal_at_5>(100)), CheckpointInterrupt); }) == 0);
    fails = false;
    rank_0.reset();
    rank_0.emplace();
    CHECK(runs([&] { CHECK(Parallel(options)(calls<raise_signal_at_5>(100)).at(99) == 99); }) == 100 - first);
    CHECK(std::filesystem::exists(folder / "run.h5"));
  }
}

TEST_CASE("signals are given back when the last checkpoint is closed") {
  static std::atomic<int> heard{0};
  const auto previous = std::signal(SIGUSR1, [](int) { ++heard; });
  const std::string said = captured_stderr([] {
    const Rank0 rank_0;
    const TemporaryFolder folder;
    const Parallel outer({.checkpoint = folder / "a.h5"});
    outer(calls<square>(3));
    Parallel({.checkpoint = folder / "b.h5"})(calls<square>(3));
    raise(SIGUSR1);
    CHECK_THROWS_AS(outer(calls<square>(3)), CheckpointInterrupt);
  });
  CHECK_THAT(said, contains("SIGUSR1: the run is ending"));
  CHECK(heard == 0);
  raise(SIGUSR1);
  CHECK(heard == 1);
  std::signal(SIGUSR1, previous);
}

}  // namespace checkpoint_test
