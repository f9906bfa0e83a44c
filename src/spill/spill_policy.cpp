#include "spill/spill_policy.hpp"

#include <algorithm>
#include <utility>

namespace joblib_mpi {

/// Keeps the memory of a part and counts its bytes.
struct SpillPolicy::Held {
  Held(std::shared_ptr<const void> kept_memory, std::shared_ptr<Books> kept_books, std::uint64_t size)
      : memory(std::move(kept_memory)), books(std::move(kept_books)), bytes(size) {
    books->held.fetch_add(bytes, std::memory_order_relaxed);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    books->held.fetch_sub(bytes, std::memory_order_relaxed);
    books->released.fetch_add(1, std::memory_order_relaxed);
  }

  std::shared_ptr<const void> memory;
  std::shared_ptr<Books> books;
  std::uint64_t bytes;
};

bool SpillPolicy::is_full(std::uint64_t memory_budget_bytes) const noexcept {
  const std::uint64_t held = held_bytes();
  if (held >= memory_budget_bytes) return true;
  return held > 0 && released_at_spill_ == books_->released.load(std::memory_order_relaxed);
}

void SpillPolicy::limit(TaskLimits& task, const Limits& limits, std::size_t tasks_under_way) const {
  const std::uint64_t budget = limits.memory_budget_bytes;
  task.memory_left_bytes = budget - std::min(budget, held_bytes());
  const double under_way = expected_bytes_ * static_cast<double>(tasks_under_way);
  const double left = static_cast<double>(task.memory_left_bytes) - under_way;
  std::uint64_t over = limits.threshold_bytes;
  if (left < static_cast<double>(over)) {
    const double least = static_cast<double>(std::min(over, smallest_spilled_for_memory));
    over = static_cast<std::uint64_t>(std::max(left, least));
  }
  task.spill_over_bytes = std::max<std::uint64_t>(over, 1);  // because 0 means no limit
}

Payload SpillPolicy::hold(Payload result) {
  constexpr double weight = 0.25;  // chosen, not measured
  std::uint64_t bytes = 0;
  for (SharedBytes& part : result.parts) {
    bytes += part.size();
    if (part.size() < min_part_bytes) continue;
    part = {std::make_shared<const Held>(part.owner(), books_, part.size()), part.view()};
  }
  if (bytes == 0 && expected_bytes_ == 0) return result;
  expected_bytes_ += weight * (static_cast<double>(bytes) - expected_bytes_);
  if (expected_bytes_ < 1) expected_bytes_ = 0;
  return result;
}

}  // namespace joblib_mpi
