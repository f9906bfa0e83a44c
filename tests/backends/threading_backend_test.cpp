#include "backends/threading_backend.hpp"

#include <atomic>
#include <ranges>
#include <set>
#include <stdexcept>
#include <thread>

#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>

#include "support/catch.hpp"

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
void wait_for_gate(int) {
  ++ran;
  while (!gate) std::this_thread::yield();
}
int refuse(int value) {
  if (value == 0) throw std::runtime_error("no");
  return value;
}

}  // namespace threading_test
using namespace threading_test;

TEST_CASE("as many threaded tasks run at a time as n_jobs says") {
  arrived = 0;
  CHECK(Parallel({.n_jobs = 4, .backend = "threading"})(iota(0, 4) | transform([](int) { return delayed<meet>(4); })).size() == 4);
}

TEST_CASE("a threaded call that takes too long ends with TimeoutError and drops what has not started") {
  gate = false;
  ran = 0;
  std::jthread opener;
  const auto run = [&] {
    Parallel({.n_jobs = 1, .backend = "threading", .timeout_seconds = 0.02})(iota(0, 10) | transform([&](int value) {
      // The running task has to end before the call can: something else opens the gate.
      if (value == 9) opener = std::jthread([] {
          while (ran == 0) std::this_thread::yield();
          for (int turn = 0; turn < 2'000; ++turn) std::this_thread::sleep_for(std::chrono::microseconds(100));
          gate = true;
        });
      return delayed<wait_for_gate>(value);
    }));
  };
  CHECK_THAT(error_text<TimeoutError>(run), contains("no task finished within timeout_seconds"));
  CHECK(ran == 1);
}

TEST_CASE("threaded calls after a failed one work as before") {
  for (int round = 0; round < 50; ++round) {
    CHECK_THROWS_AS(Parallel({.n_jobs = 3, .backend = "threading"})(
                        iota(0, 20) | transform([](int value) { return delayed<refuse>(value); })),
                    std::runtime_error);
    CHECK(Parallel({.n_jobs = 3, .backend = "threading"})(
              iota(1, 20) | transform([](int value) { return delayed<refuse>(value); })).size() == 19);
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
