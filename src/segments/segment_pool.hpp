#pragma once

#include "core/receive_memory.hpp"
#include "segments/segment.hpp"
#include "segments/segment_source.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace joblib_mpi {

/// Memory for large arrays that other processes on the same machine are to see without a copy.
///
/// Segments are used again, so that their pages are warm and the other processes have them mapped already; one is free
/// once everything in it has been let go. Any thread may allocate and let go.
class SegmentPool final : public ReceiveMemory {
 public:
  /// Free memory of either kind that a pool keeps. Chosen, not measured.
  static constexpr std::size_t default_spare_bytes = std::size_t{256} << 20;

  explicit SegmentPool(std::size_t spare_bytes = default_spare_bytes, SegmentSource source = {});

  /// For one process, which may be allowed to write.
  [[nodiscard]] Block allocate(std::size_t bytes) override;
  /// For all processes of the node, which only read. Throws NoRoomError.
  [[nodiscard]] Block allocate_for_node(std::size_t bytes);
  /// Puts `content` at the beginning of `place`, which lies in a block that nobody else has yet.
  void write(std::span<std::byte> place, ByteView content);
  /// The block is complete: see Segment::seal.
  void seal(ByteView block);

  /// Takes a segment of another process in, so that `find` finds it while the result is kept. Throws std::system_error.
  [[nodiscard]] std::shared_ptr<const Segment> adopt(Descriptor file, std::size_t bytes);

  struct Place {
    std::shared_ptr<const Segment> segment;
    std::size_t offset;
  };
  /// Where in the pool's segments these bytes lie, if they do.
  [[nodiscard]] std::optional<Place> find(ByteView bytes) const;

  /// How often the pool has given a segment back to the system.
  [[nodiscard]] std::uint64_t segments_dropped() const;

  struct Stats {
    std::size_t segments = 0;
    std::size_t bytes = 0;        ///< of those segments
    std::size_t spare_bytes = 0;  ///< of those that nothing uses
  };
  /// Of the memory for the node.
  [[nodiscard]] Stats node_stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // what is allocated may outlive the pool
};

}  // namespace joblib_mpi
