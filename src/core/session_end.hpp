#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace joblib_mpi {

/// How a session has ended, in memory that the ranks of a node share: for a rank that was away when it ended. Stays
/// usable if a process dies while it uses it.
class SessionEnd {
 public:
  /// Tells that the session has ended with this status of its program.
  void tell(int status) noexcept { word_ = told | static_cast<std::uint32_t>(status & 0xff); }
  /// Returns the status, or nothing while the session lasts. It also lasts if its rank 0 was killed.
  [[nodiscard]] std::optional<int> status() const noexcept {
    const std::uint32_t word = word_;
    if ((word & told) == 0) return std::nullopt;
    return static_cast<int>(word & 0xff);
  }

 private:
  static constexpr std::uint32_t told = 0x100;

  std::atomic<std::uint32_t> word_{0};
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "processes share it");
};

}  // namespace joblib_mpi
