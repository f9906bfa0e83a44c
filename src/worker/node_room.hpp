#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

namespace joblib_mpi {

/// Decides, on the one worker of a node that watches its memory, when rank 0 must learn how much is left. The caller
/// supplies the time.
class NodeRoom {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// `room` returns the bytes that are left.
  explicit NodeRoom(std::function<std::uint64_t()> room) : room_(std::move(room)) {}

  /// Returns the bytes that are left if rank 0 must be told: the first time, and afterwards, if the node
  /// `holds_objects`, when they have changed by more than an eighth. Looks at most every 50 ms.
  [[nodiscard]] std::optional<std::uint64_t> news(TimePoint now, bool holds_objects);
  /// Makes the next look the first one: rank 0 has forgotten what it was told.
  void begin_again() noexcept { told_.reset(); }

 private:
  std::function<std::uint64_t()> room_;
  std::optional<std::uint64_t> told_;
  TimePoint last_look_{};
};

}  // namespace joblib_mpi
