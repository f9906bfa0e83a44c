#pragma once

#include "segments/descriptor.hpp"
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
  /// `on_return` is called when there is something to return again; on any thread.
  explicit BorrowedMemory(std::function<void()> on_return);
  BorrowedMemory(const BorrowedMemory&) = delete;
  BorrowedMemory& operator=(const BorrowedMemory&) = delete;
  ~BorrowedMemory();

  /// Maps the next part that was lent: `bytes` bytes at `offset` of the file. What this process writes there, no other
  /// process sees. Reads the bytes where they cannot be mapped. Throws SerializationError if the file is too short, and
  /// std::bad_alloc.
  [[nodiscard]] SharedBytes map(const Descriptor& file, std::uint64_t offset, std::uint64_t bytes);
  /// Returns the loans that have ended since the previous call.
  [[nodiscard]] std::vector<std::uint64_t> take_returned();

 private:
  struct Books;

  std::uint64_t last_ = 0;
  std::shared_ptr<Books> books_;
};

}  // namespace joblib_mpi
