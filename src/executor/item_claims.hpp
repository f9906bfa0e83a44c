#pragma once

#include "core/item_range.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

namespace joblib_mpi {

/// The items of the running batch: the side that runs it claims one after the other, while the worker may take back the
/// last of those that are not claimed. Lock-free; may lie in memory that both sides share.
class ItemClaims {
 public:
  /// Begins a batch. The other side must have no batch.
  void begin(ItemRange items) noexcept { word_ = joined({items.first, items.first + items.count}); }

  /// Returns the next item, which is claimed then, or nothing if none is left.
  [[nodiscard]] std::optional<std::uint32_t> claim() noexcept {
    std::uint64_t word = word_;
    while (true) {
      const Ends ends = split(word);
      if (ends.next == ends.end) return std::nullopt;
      if (word_.compare_exchange_weak(word, joined({ends.next + 1, ends.end}))) return ends.next;
    }
  }

  /// Takes items from the end of the batch that began with the item `first`, and returns them. At least one item stays.
  [[nodiscard]] ItemRange take_back(std::uint32_t first, ItemSeekers seekers) noexcept {
    std::uint64_t word = word_;
    while (true) {
      const Ends ends = split(word);
      const std::uint32_t unclaimed = ends.end - std::max(ends.next, first + 1);
      const std::uint32_t kept = seekers.share ? unclaimed / (seekers.workers + 1) : 0;
      const ItemRange taken{ends.end - (unclaimed - kept), unclaimed - kept};
      if (taken.count == 0 || word_.compare_exchange_weak(word, joined({ends.next, taken.first}))) return taken;
    }
  }

 private:
  struct Ends {
    std::uint32_t next;
    std::uint32_t end;
  };
  static std::uint64_t joined(Ends ends) noexcept { return std::uint64_t{ends.next} << 32 | ends.end; }
  static Ends split(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }

  std::atomic<std::uint64_t> word_{0};  // the next item that may be claimed, and the end
};

}  // namespace joblib_mpi
