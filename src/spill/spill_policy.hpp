#pragma once

#include "core/task_ending.hpp"
#include <joblib_mpi/payload.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace joblib_mpi {

/// Decides which results spill, from what rank 0 holds and from what is to be expected of the tasks under way.
class SpillPolicy {
 public:
  /// Smaller results stay in memory even if the budget is used up: a mapping and a file cost more than they free.
  static constexpr std::uint64_t smallest_spilled_for_memory = min_part_bytes;

  struct Limits {
    std::uint64_t threshold_bytes = 0;
    std::uint64_t memory_budget_bytes = 0;
  };
  /// Sets what the next task's result may do. `tasks_under_way` is how many others run.
  void limit(TaskLimits& task, const Limits& limits, std::size_t tasks_under_way) const;
  /// Whether `tasks_under_way` matters.
  [[nodiscard]] bool expects_memory() const noexcept { return expected_bytes_ > 0; }

  /// A result has come through memory: counts its parts until the last of them is let go, wherever that is.
  [[nodiscard]] Payload hold(Payload result);
  /// Of results that are held.
  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return held_->load(std::memory_order_relaxed); }

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct Held;

  std::shared_ptr<Counter> held_ = std::make_shared<Counter>(0);
  double expected_bytes_ = 0;  // of one result's parts: a mean in which the last few count most
};

}  // namespace joblib_mpi
