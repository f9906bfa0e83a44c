#pragma once

#include "core/receive_memory.hpp"
#include "segments/segment.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// Memory for large arrays that a process on the same machine is to see without a copy.
///
/// Segments are used again, so that their pages are warm and the other process has them mapped already; one is free
/// once everything in it has been let go. Any thread may allocate and let go.
class SegmentPool final : public ReceiveMemory {
 public:
  /// Free memory that a pool keeps. Chosen, not measured.
  static constexpr std::size_t default_spare_bytes = std::size_t{256} << 20;

  explicit SegmentPool(std::size_t spare_bytes = default_spare_bytes);

  [[nodiscard]] Block allocate(std::size_t bytes) override;

  struct Place {
    std::shared_ptr<const Segment> segment;
    std::size_t offset;
  };
  /// Where in the pool's segments these bytes lie, if they do.
  [[nodiscard]] std::optional<Place> find(ByteView bytes) const;

  /// The segments that the pool has given back to the system since it was last asked.
  [[nodiscard]] std::vector<std::uint64_t> take_dropped();

 private:
  struct State;
  std::shared_ptr<State> state_;  // what is allocated may outlive the pool
};

}  // namespace joblib_mpi
