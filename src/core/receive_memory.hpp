#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace joblib_mpi {

/// The alignment of large arrays that lie in one block: the size of a cache line.
inline constexpr std::size_t part_alignment = 64;

/// Returns where the next array begins in a block of which `bytes` bytes are used.
[[nodiscard]] constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + part_alignment - 1) / part_alignment * part_alignment;
}

/// Allocates memory for large arrays that arrive: on the heap, or where another process can map it.
class ReceiveMemory {
 public:
  struct Block {
    std::shared_ptr<const void> owner;  ///< the bytes live as long as this pointer or a copy of it
    std::span<std::byte> bytes;         ///< aligned for any type, not initialised
  };

  ReceiveMemory() = default;
  ReceiveMemory(const ReceiveMemory&) = delete;
  ReceiveMemory& operator=(const ReceiveMemory&) = delete;
  virtual ~ReceiveMemory() = default;

  /// Allocates `bytes` bytes.
  [[nodiscard]] virtual Block allocate(std::size_t bytes) = 0;
};

/// Allocates on the heap of this process.
class HeapMemory final : public ReceiveMemory {
 public:
  [[nodiscard]] Block allocate(std::size_t bytes) override {
    auto memory = std::make_shared<Bytes>(bytes);
    const std::span<std::byte> view(*memory);
    return {std::move(memory), view};
  }
};

}  // namespace joblib_mpi
