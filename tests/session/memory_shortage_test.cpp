// Tests of rank 0 whose allocations fail. This program has its own operator new, so it stands alone.

#include "core/memory_reserve.hpp"
#include "support/catch.hpp"
#include "support/loopback_cluster.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/parallel.hpp>

#include <cstdlib>
#include <limits>
#include <new>
#include <ranges>
#include <string>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr long never = std::numeric_limits<long>::max();
/// The number of allocations that one released block lasts for: more than the end of a small call needs.
constexpr long allocations_per_block = 2'000;

/// The allocations of this thread that succeed before one fails.
thread_local long allocations_left = never;
/// Is true if memory stays short after that: all fail, except those for which a block of the reserve was released.
thread_local bool stays_short = false;
thread_local bool has_failed = false;

void* allocate(std::size_t bytes) noexcept {
  if (allocations_left == 0) {
    has_failed = true;
    if (!stays_short) allocations_left = never;
    return nullptr;
  }
  if (allocations_left != never) --allocations_left;
  return std::malloc(bytes == 0 ? 1 : bytes);
}

/// Lets allocations of this thread fail until the end of the scope.
class Shortage {
 public:
  Shortage(long allocations_before, bool stays) {
    has_failed = false;
    stays_short = stays;
    allocations_left = allocations_before;
  }
  Shortage(const Shortage&) = delete;
  Shortage& operator=(const Shortage&) = delete;
  ~Shortage() { allocations_left = never; }
};

std::string repeated(int number) {
  return std::string(100, static_cast<char>('a' + number));
}

std::vector<std::string> results_of_call() {
  return Parallel({.n_jobs = 2})(std::views::iota(0, 20) |
                                 std::views::transform([](int number) { return delayed<repeated>(number); }));
}

/// Runs a small call again and again, and lets its first, second, … allocation on rank 0's thread fail, until none
/// does.
void fail_each_allocation(bool stays) {
  LoopbackCluster cluster(2);
  const std::vector<std::string> right = results_of_call();
  REQUIRE(right.size() == 20);
  long number = 0;
  int refused = 0;
  for (bool failed = true; failed; ++number) {
    std::vector<std::string> results;
    try {
      const Shortage shortage(number, stays);
      results = results_of_call();
    } catch (const std::bad_alloc&) {
      ++refused;
    } catch (const SpillError&) {  // of a task whose result rank 0 could not take
      ++refused;
    }
    failed = has_failed;
    if (!results.empty() && results != right) FAIL("allocation " << number << " changed the results");
    if (results_of_call() != right) FAIL("the call after allocation " << number << " had failed is wrong");
    cluster.drain();
    if (cluster.driver().unfinished_tasks() != 0) FAIL("tasks are left after allocation " << number << " had failed");
  }
  CHECK(number > 50);
  CHECK(refused > 0);
}

}  // namespace

// The loop is that of the standard ([new.delete.single]).
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  while (true) {
    if (void* memory = allocate(bytes)) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
    if (stays_short) allocations_left = allocations_per_block;
  }
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  // Memory that stays short has nothing to put aside again.
  if (stays_short && has_failed && allocations_left != never) return nullptr;
  return allocate(bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

TEST_CASE("an allocation that fails on rank 0 ends at most its call") {
  fail_each_allocation(false);
}

TEST_CASE("memory that runs out on rank 0 ends at most the call, also if it stays short until its end") {
  fail_each_allocation(true);
}
