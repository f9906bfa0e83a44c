#pragma once

#include "core/wake_flag.hpp"
#include "executor/item_claims.hpp"
#include "executor/ring.hpp"
#include "segments/descriptor.hpp"
#include "segments/wake_page.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <sys/types.h>
#include <type_traits>

namespace joblib_mpi {

/// The memory that a worker, its keeper, its zygote and the running executor share. Each group of members names its
/// writer. Executors are told apart by their generation, 1 for the first.
struct SharedRegion {
  RankPage page;  ///< The worker's, and the first member: see WakePage.

  // Written by the zygote, before the first executor. 0 while it prepares.
  static constexpr std::uint32_t prepared = 1;
  static constexpr std::uint32_t preparing_failed = 2;
  alignas(64) std::atomic<std::uint32_t> zygote_state{0};
  std::array<char, 4096> failure{};  ///< The text of the failure, if preparing has failed.

  std::atomic<pid_t> keeper_pid{0};  ///< Written by the keeper, once it is there.

  // Written by the keeper, about the zygote.
  std::atomic<std::uint32_t> zygotes{0};   ///< The number of those that were forked.
  std::atomic<pid_t> zygote_pid{0};        ///< Written before `zygotes`; 0 if there is none.
  std::atomic<int> zygote_wait_status{0};  ///< The last one's status from waitpid, written before `zygote_pid` is 0.
  std::atomic<int> zygote_fork_error{0};   ///< The errno of a failed fork; the worker sets it to 0 before a new one.

  // Written by the zygote, about the executor, before `exited_generation`.
  std::atomic<pid_t> executor_pid{0};  ///< Also written by the executor, at its start.
  std::atomic<int> wait_status{0};     ///< The status from waitpid.
  std::atomic<int> fork_error{0};      ///< The errno of a failed fork; if not 0, there was no process.
  /// The bytes that the executor used, if it was killed for them; `memory_allowed` is the limit at that time.
  std::atomic<std::uint64_t> memory_used{0};
  std::atomic<std::uint64_t> memory_allowed{0};
  std::atomic<std::uint32_t> exited_generation{0};
  std::atomic<bool> watching_memory{false};
  std::atomic<bool> ended_with_zygote{
      false};  ///< Written by the worker: the zygote has died, and this executor with it.

  // Written by the executor.
  std::atomic<std::uint32_t> ready_generation{0};
  std::atomic<std::uint64_t> taken{0};  ///< The number of the task that the executor began last.

  // Written by the worker.
  std::atomic<std::uint64_t> interrupted{0};   ///< The number of the task that should end early.
  std::atomic<std::uint64_t> memory_limit{0};  ///< The limit of the running task in bytes; 0 if there is none.

  ItemClaims items;  ///< Those of the running batch, begun by the worker.

  alignas(64) WakeFlag executor_wake;
  Ring to_executor;
  Ring to_worker;
};

static_assert(std::is_standard_layout_v<SharedRegion>, "a region begins with its first member");

struct UnmapRegion {
  void operator()(SharedRegion* region) const noexcept;
};
using SharedRegionPointer = std::unique_ptr<SharedRegion, UnmapRegion>;

/// A region, and the file of memory in which it lies: other processes map that.
struct SharedRegionFile {
  SharedRegionPointer region;
  Descriptor file;
};

/// Makes a region, which processes forked from now on share. Throws std::system_error.
[[nodiscard]] SharedRegionFile make_shared_region();
/// Returns the region that another process of this user has made in `file`. Throws std::system_error.
[[nodiscard]] SharedRegionPointer map_shared_region(const Descriptor& file);

/// Keeps the region out of processes that are forked from now on.
void hide_from_children(SharedRegion& region) noexcept;

}  // namespace joblib_mpi
