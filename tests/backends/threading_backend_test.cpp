#include "backends/threading_backend.hpp"

#include "support/catch.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>

#include <atomic>
#include <memory>
#include <ranges>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;

namespace threading_test {

std::atomic<int> arrived{0};
int meet(int others) {
  ++arrived;
  while (arrived < others) std::this_thread::yield();
  return arrived;
}

std::atomic<bool> gate{false};
std::atomic<int> ran{0};

/// A handle that waiting tasks hold; once none is left, the gate opens.
struct Token {
  std::shared_ptr<void> holder = {};
  template <class Archive>
  void serialize(Archive&, unsigned) {
    throw std::logic_error("nothing is serialized in one process");
  }
};
void wait_for_gate(const Token&) {
  ++ran;
  while (!gate) std::this_thread::yield();
}
int refuse(int value) {
  if (value == 0) throw std::runtime_error("no");
  return value;
}

TEST_CASE("as many threaded tasks run at a time as n_jobs says") {
  arrived = 0;
  CHECK(Parallel({.n_jobs = 4, .backend = "threading"})(iota(0, 4) | transform([](int) { return delayed<meet>(4); }))
            .size() == 4);
}

TEST_CASE("a threaded call that takes too long ends with TimeoutError and drops what has not started") {
  gate = false;
  ran = 0;
  Token token{std::shared_ptr<void>(nullptr, [](void*) { gate = true; })};
  // The first task runs until the others are dropped.
  const auto calls =
      iota(0, 10) | transform([&](int value) {
        while (value == 1 && ran == 0) std::this_thread::yield();
        return delayed<wait_for_gate>(value == 0 ? Token{} : value == 9 ? std::exchange(token, {}) : token);
      });
  const auto run = [&] { Parallel({.n_jobs = 1, .backend = "threading", .timeout_seconds = 0.02})(calls); };
  CHECK_THAT(error_text<TimeoutError>(run), contains("no task finished within timeout_seconds"));
  CHECK(gate);
  CHECK(ran == 1);
}

TEST_CASE("threaded calls after a failed one work as before") {
  for (int round = 0; round < 50; ++round) {
    CHECK_THROWS_AS(Parallel({.n_jobs = 3, .backend = "threading"})(
                        iota(0, 20) | transform([](int value) { return delayed<refuse>(value); })),
                    std::runtime_error);
    CHECK(Parallel({.n_jobs = 3, .backend = "threading"})(iota(1, 20) |
                                                          transform([](int value) { return delayed<refuse>(value); }))
              .size() == 19);
  }
}

TEST_CASE("all jobs are the cores that this process may use") {
  const ThreadingBackend backend;
  CHECK(backend.effective_n_jobs(-1) >= 1);
  CHECK(backend.effective_n_jobs(-1) <= static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  CHECK(backend.effective_n_jobs(7) == 7);
  CHECK(backend.default_n_jobs() == -1);
  CHECK(backend.in_process());
}

}  // namespace threading_test
