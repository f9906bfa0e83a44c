#pragma once

#include <array>
#include <cstddef>
#include <memory>

namespace joblib_mpi {

/// Memory that is put aside for a thread that must not fail in the middle of what it does. An allocation by operator
/// new that fails while a `Use` lives on its thread releases a block and is tried again.
///
/// It covers neither memory that C libraries allocate nor allocations that are larger than a block, which use up the
/// blocks and then fail. A program that sets its own std::new_handler later does without it. Not thread-safe.
class MemoryReserve {
 public:
  MemoryReserve();

  /// The calling thread's use of a reserve, for one scope. Uses may be nested; the innermost counts.
  class Use {
   public:
    explicit Use(MemoryReserve& reserve) noexcept;
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use();

   private:
    MemoryReserve* outer_;
  };

  /// Puts aside again what was used. Returns whether all of it is there.
  [[nodiscard]] bool refill() noexcept;

 private:
  static constexpr std::size_t block_bytes = std::size_t{256} << 10;  // chosen, not measured

  /// Releases a block; returns false if there is none.
  [[nodiscard]] bool release() noexcept;
  static void on_failed_allocation();

  std::array<std::unique_ptr<std::byte[]>, 4> blocks_;
  bool is_whole_ = false;
};

}  // namespace joblib_mpi
