#pragma once

#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace joblib_mpi {

/// Parts of frames that one end of a connection has mapped, see LentMemory. Only the thread of the connection may call
/// the functions; any thread may release what was mapped, also after the connection has ended.
class BorrowedMemory {
 public:
  /// `on_return` is called when there is something to return again; on any thread. Large parts become segments of
  /// `adopting` unless it is null, which must outlive this object otherwise.
  explicit BorrowedMemory(std::function<void()> on_return, SegmentPool* adopting = nullptr);
  BorrowedMemory(const BorrowedMemory&) = delete;
  BorrowedMemory& operator=(const BorrowedMemory&) = delete;
  ~BorrowedMemory();

  /// The size of parts that a pool adopts, in bytes: each costs an open file while it is in use. Chosen, not measured.
  static constexpr std::size_t least_adopted_bytes = std::size_t{4} << 20;

  /// Maps the next part that was lent: `bytes` bytes at `offset` of the file. What this process writes there, no other
  /// process sees; what a pool has adopted can only be read. Reads the bytes where they cannot be mapped. Throws
  /// SerializationError if the file is too short, and std::bad_alloc.
  [[nodiscard]] SharedBytes map(const Descriptor& file, std::uint64_t offset, std::uint64_t bytes);
  /// Returns the loans that have ended since the previous call.
  [[nodiscard]] std::vector<std::uint64_t> take_returned();

 private:
  struct Books;

  /// Returns the bytes in a segment that the pool has adopted; nothing if it does not.
  [[nodiscard]] SharedBytes adopted(const Descriptor& file, std::uint64_t offset, std::uint64_t bytes) const;

  SegmentPool* adopting_;
  std::uint64_t last_ = 0;
  std::shared_ptr<Books> books_;
};

}  // namespace joblib_mpi
