// Counts the allocations that a small task costs. This program has its own operator new, so it stands alone.

#include "support/catch.hpp"
#include <joblib_mpi/joblib_mpi.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <ranges>
#include <vector>

using namespace joblib_mpi;

namespace {

std::atomic<std::uint64_t> allocations{0};

void* allocate(std::size_t bytes, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t size = (bytes + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, size == 0 ? alignment : size)) return memory;
  throw std::bad_alloc();
}

/// Returns what this rank has allocated so far: a task says so of its worker.
std::uint64_t allocations_so_far(std::uint32_t /*number*/) {
  return allocations;
}

std::vector<std::uint64_t> run(std::uint32_t n_tasks) {
  return Parallel()(std::views::iota(std::uint32_t{0}, n_tasks) |
                    std::views::transform([](std::uint32_t number) { return delayed<allocations_so_far>(number); }));
}

/// Returns the allocations of the only worker for each of a quarter of the tasks, in the steady state.
double per_task_of_a_worker(const std::vector<std::uint64_t>& seen) {
  const std::size_t begin = seen.size() / 2;
  const std::size_t n_between = seen.size() / 4;
  return static_cast<double>(seen[begin + n_between] - seen[begin]) / static_cast<double>(n_between);
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

// Queues and results lie in blocks for some tens of tasks.
TEST_CASE("a small task costs no allocation, neither on rank 0 nor on its worker") {
  constexpr std::uint32_t n_tasks = 20'000;
  MpiSession session(MPI_COMM_WORLD);
  session.run([&] {
    (void)run(n_tasks);
    const std::uint64_t before = allocations;
    (void)run(n_tasks);
    const std::uint64_t between = allocations;
    const std::vector<std::uint64_t> seen = run(2 * n_tasks);
    const std::uint64_t after = allocations;
    const double of_rank_0 = (static_cast<double>(after - between) - static_cast<double>(between - before)) / n_tasks;
    const double of_worker = session.size() == 2 ? per_task_of_a_worker(seen) : 0.0;
    INFO("rank 0: " << of_rank_0 << " per task, worker: " << of_worker);
    CHECK(of_rank_0 < 0.1);
    CHECK(of_worker < 0.1);
  });
}
