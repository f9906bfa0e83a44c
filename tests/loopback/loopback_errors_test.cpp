#include "support/catch.hpp"
#include "support/loopback_cluster.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/parallel.hpp>

#include <atomic>
#include <ranges>
#include <stdexcept>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace cluster_errors_test {

int square(int value) {
  return value * value;
}
int refuse_7(int value) {
  if (value == 7) throw std::domain_error("7 is not allowed");
  return value;
}
int throw_number(int value) {
  throw value;
}

/// A type that refuses to be serialized, or to be deserialized on the other side.
struct Stubborn {
  int when = 0;
  std::string text = {};  // so that the type is not trivially copyable
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    if (when == 1 && Archive::is_saving::value) throw std::runtime_error("cannot be written");
    archive& when;
    if (when == 2 && Archive::is_loading::value) throw std::invalid_argument("cannot be read");
  }
};
int take(const Stubborn&) {
  return 1;
}
Stubborn give(int when) {
  return {when};
}

std::atomic<bool> gate{false};
std::atomic<int> ran{0};
int wait_and_fail(int value) {
  ++ran;
  while (value == 0 && !gate) std::this_thread::yield();
  if (value == 0) throw std::runtime_error("the first fails");
  return value;
}
int wait_for_gate(int value) {
  while (!gate) std::this_thread::yield();
  return value;
}

auto calls(int count) {
  return iota(0, count) | transform([](int value) { return delayed<refuse_7>(value); });
}

TEST_CASE("an exception of a task is thrown as its own type with rank and host") {
  LoopbackCluster cluster(1);
  const std::string text = error_text<std::domain_error>([] { Parallel()(calls(100)); });
  CHECK(text == "std::domain_error in cluster_errors_test::refuse_7 on rank 1 (host1): 7 is not allowed");
  CHECK_THROWS_AS(Parallel()(calls(100)), TaskFailure);
}

TEST_CASE("calls after a failed one work as before") {
  LoopbackCluster cluster(3);
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_AS(Parallel()(calls(50)), std::domain_error);
    CHECK(Parallel()(calls(7)) == std::vector{0, 1, 2, 3, 4, 5, 6});
  }
}

TEST_CASE("what is thrown without being an exception becomes TaskError") {
  LoopbackCluster cluster(2);
  CHECK_THROWS_AS(Parallel()(std::vector{delayed<throw_number>(42)}), TaskError);
}

TEST_CASE("an argument that cannot be serialized fails the call with its own exception") {
  LoopbackCluster cluster(2);
  CHECK(error_text<std::runtime_error>([] { Parallel()(std::vector{delayed<take>(Stubborn{1})}); }) ==
        "cannot be written");
  CHECK(Parallel()(std::vector{delayed<take>(Stubborn{0})}) == std::vector{1});
}

TEST_CASE("an argument that cannot be deserialized fails the call and not the worker") {
  LoopbackCluster cluster(1);
  CHECK_THAT(error_text<std::invalid_argument>([] { Parallel()(std::vector{delayed<take>(Stubborn{2})}); }),
             contains("cluster_errors_test::take on rank 1 (host1): cannot be read"));
  CHECK(Parallel()(std::vector{delayed<take>(Stubborn{0})}) == std::vector{1});
}

TEST_CASE("a result that cannot be serialized fails the call and not the worker") {
  LoopbackCluster cluster(1);
  CHECK_THAT(error_text<std::runtime_error>([] { Parallel()(std::vector{delayed<give>(1)}); }),
             contains("cluster_errors_test::give on rank 1 (host1): cannot be written"));
  CHECK(Parallel()(std::vector{delayed<give>(0)}).size() == 1);
}

TEST_CASE("a result that cannot be deserialized fails the call and not the session") {
  LoopbackCluster cluster(1);
  CHECK(error_text<std::invalid_argument>([] { Parallel()(std::vector{delayed<give>(2)}); }) == "cannot be read");
  CHECK(Parallel()(std::vector{delayed<give>(0)}).size() == 1);
}

TEST_CASE("tasks that have not started are dropped when one fails") {
  LoopbackCluster cluster(1);
  gate = false;
  ran = 0;
  constexpr int tasks = 5000;
  // The first task fails once all others have been submitted.
  const auto submitted = iota(0, tasks) | transform([](int value) {
                           if (value == tasks - 1) gate = true;
                           return delayed<wait_and_fail>(value);
                         });
  CHECK_THAT(error_text<std::runtime_error>([&] { Parallel({.pre_dispatch = tasks})(submitted); }),
             contains("the first fails"));
  cluster.drain();
  CHECK(ran <= 1 + static_cast<int>(Settings{}.max_credits));
}

TEST_CASE("a call without a result within its timeout ends with TimeoutError") {
  LoopbackCluster cluster(2);
  gate = false;
  const auto wait = iota(0, 4) | transform([](int value) { return delayed<wait_for_gate>(value); });
  CHECK_THAT(error_text<TimeoutError>([&] { Parallel({.timeout_seconds = 0.02})(wait); }),
             contains("timeout_seconds = 0.02"));
  gate = true;
  CHECK(Parallel({.timeout_seconds = 600})(wait) == std::vector{0, 1, 2, 3});
}

TEST_CASE("a session's backend that outlives the session refuses calls and objects") {
  std::shared_ptr<Backend> backend;
  {
    LoopbackCluster cluster(1);
    backend = find_backend("mpi");
  }
  register_backend("mpi", backend);
  CHECK_THAT(error_text<UsageError>([] { Parallel()(calls(1)); }), contains("after its session had ended"));
  CHECK_THAT(error_text<UsageError>([] { (void)scatter(1); }), contains("after the session had ended"));
  unregister_backend("mpi");
}

TEST_CASE("n_jobs is counted from the workers and 0 is refused") {
  LoopbackCluster cluster(4);
  const auto backend = find_backend("mpi");
  CHECK(backend->effective_n_jobs(-1) == 4);
  CHECK(backend->effective_n_jobs(-2) == 3);
  CHECK(backend->effective_n_jobs(-100) == 1);
  CHECK(backend->effective_n_jobs(3) == 3);
  CHECK(backend->effective_n_jobs(100) == 4);
  CHECK_THROWS_AS(backend->effective_n_jobs(0), UsageError);
  CHECK_FALSE(backend->in_process());
}

}  // namespace cluster_errors_test
