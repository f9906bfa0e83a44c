#pragma once

#include "core/task_ending.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

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
  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return books_->held.load(std::memory_order_relaxed); }

  /// A result under the threshold has spilled, because of what is held and of what tasks under way may bring.
  void spilled_for_memory() noexcept { released_at_spill_ = books_->released.load(std::memory_order_relaxed); }
  /// Whether what is held uses up the budget: it does, or results have spilled for it and nothing was let go since.
  [[nodiscard]] bool is_full(std::uint64_t memory_budget_bytes) const noexcept;

 private:
  struct Books {
    std::atomic<std::uint64_t> held{0};
    std::atomic<std::uint64_t> released{0};  // parts
  };
  struct Held;

  std::shared_ptr<Books> books_ = std::make_shared<Books>();
  std::optional<std::uint64_t> released_at_spill_;
  double expected_bytes_ = 0;  // of one result's parts: a mean in which the last few count most
};

}  // namespace joblib_mpi
