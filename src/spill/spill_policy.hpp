#pragma once

#include "core/task_ending.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace joblib_mpi {

/// Decides which results spill, from the results that rank 0 holds and those expected from the tasks under way.
class SpillPolicy {
 public:
  /// Smaller results stay in memory even if the budget is used up: a mapping and a file cost more than they save.
  static constexpr std::uint64_t smallest_spilled_for_memory = min_part_bytes;

  struct Limits {
    std::uint64_t threshold_bytes = 0;
    std::uint64_t memory_budget_bytes = 0;
  };
  /// Sets the limits of the next task's result. `tasks_under_way` is the number of other running tasks.
  void limit(TaskLimits& task, const Limits& limits, std::size_t tasks_under_way) const;
  /// Returns whether `tasks_under_way` matters.
  [[nodiscard]] bool expects_memory() const noexcept { return expected_bytes_ > 0; }

  /// Counts the parts of a result that has come through memory until the last of them is released, on any thread.
  [[nodiscard]] Payload hold(Payload result);
  /// Returns the bytes of the results that are held.
  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return books_->held.load(std::memory_order_relaxed); }

  /// Notes that a result under the threshold has spilled, because of held results and those expected from tasks under
  /// way.
  void spilled_for_memory() noexcept { released_at_spill_ = books_->released.load(std::memory_order_relaxed); }
  /// Returns whether held results use up the budget: they reach it, or results have spilled because of it and nothing
  /// has been released since.
  [[nodiscard]] bool is_full(std::uint64_t memory_budget_bytes) const noexcept;

 private:
  struct Books {
    std::atomic<std::uint64_t> held{0};
    std::atomic<std::uint64_t> released{0};  // counts parts
  };
  struct Held;

  std::shared_ptr<Books> books_ = std::make_shared<Books>();
  std::optional<std::uint64_t> released_at_spill_;
  double expected_bytes_ = 0;  // bytes of one result's parts: a mean weighted towards the last few
};

}  // namespace joblib_mpi
