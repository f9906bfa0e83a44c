#pragma once

#include "core/open_files.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

namespace joblib_mpi {

/// Large parts of frames that one end of a connection lets the other end map, in place of sending their bytes. The
/// memory stays unchanged until the other end has returned it. Not thread-safe.
class LentMemory {
 public:
  /// Smaller parts are sent as bytes. Chosen, not measured.
  static constexpr std::size_t least_bytes = std::size_t{256} << 10;

  /// Lends memory of `pool`, which must outlive this object, and the files that this process has mapped. Not more than
  /// `most_lent` parts of the pool are lent at a time, by default a quarter of the files that this process may open: a
  /// large part costs it one.
  explicit LentMemory(SegmentPool& pool, std::size_t most_lent = open_file_limit() / 4);
  LentMemory(const LentMemory&) = delete;
  LentMemory& operator=(const LentMemory&) = delete;
  /// Keeps the memory that was not returned from being used again: the other end may have it mapped for as long as it
  /// lives.
  ~LentMemory();

  /// The place of a part in a file.
  struct Place {
    int file;  ///< The file's descriptor, open as long as `keeper` lives.
    std::uint64_t offset;
    std::shared_ptr<const void> keeper;
    bool is_memory;  ///< Whether this process must keep the bytes until they are returned, as in a segment.
  };
  /// Returns where the other end finds the part; nothing if its bytes have to be sent.
  [[nodiscard]] std::optional<Place> place_of(const SharedBytes& part) const;
  /// Notes that a part is lent from that place. The loans of a connection have the numbers from 1 on, at both ends.
  void lend(const SharedBytes& part, const Place& place) {
    lent_.emplace(++last_, place.is_memory ? part : SharedBytes());
  }
  /// Ends loans that the other end has returned. Throws SerializationError if there are no such loans.
  void end_loans(std::span<const std::uint64_t> loans);
  /// Returns the number of loans that have not ended.
  [[nodiscard]] std::size_t size() const noexcept { return lent_.size(); }

 private:
  SegmentPool* pool_;
  std::size_t most_lent_;
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, SharedBytes> lent_;
};

}  // namespace joblib_mpi
