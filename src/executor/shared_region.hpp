#pragma once

#include "core/wake_flag.hpp"
#include "executor/ring.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <sys/types.h>

namespace joblib_mpi {

/// What a worker, its zygote and the running executor share, at the same address in all three. Who writes what is
/// said at each member; executors are told apart by their generation, 1 for the first.
struct SharedRegion {
  // The zygote's, before the first executor. 0 while it prepares.
  static constexpr std::uint32_t prepared = 1;
  static constexpr std::uint32_t preparing_failed = 2;
  std::atomic<std::uint32_t> zygote_state{0};
  std::array<char, 4096> failure{};  ///< text, if preparing has failed

  // The zygote's, about the executor. Written before `exited_generation`.
  std::atomic<pid_t> executor_pid{0};
  std::atomic<int> wait_status{0};            ///< as waitpid has it
  std::atomic<int> fork_error{0};             ///< errno; if not 0 there was no process at all
  std::atomic<std::uint64_t> memory_used{0};  ///< bytes, if it was killed for them, with the limit then
  std::atomic<std::uint64_t> memory_allowed{0};
  std::atomic<std::uint32_t> exited_generation{0};
  std::atomic<bool> watching_memory{false};

  // The executor's.
  std::atomic<std::uint32_t> ready_generation{0};
  std::atomic<std::uint64_t> taken{0};  ///< the number of the task that it has begun last

  // The worker's.
  std::atomic<std::uint64_t> interrupted{0};   ///< the number of the task that should end early
  std::atomic<std::uint64_t> memory_limit{0};  ///< bytes for the running task; 0: none

  alignas(64) WakeFlag worker_wake;
  alignas(64) WakeFlag executor_wake;
  Ring to_executor;
  Ring to_worker;
};

struct UnmapRegion {
  void operator()(SharedRegion* region) const noexcept;
};
using SharedRegionPointer = std::unique_ptr<SharedRegion, UnmapRegion>;

/// A new region, which processes forked from now on share. Throws std::system_error.
[[nodiscard]] SharedRegionPointer make_shared_region();

/// Processes forked from now on do not have it.
void hide_from_children(SharedRegion& region) noexcept;

}  // namespace joblib_mpi
