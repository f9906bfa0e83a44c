#pragma once

#include "core/receive_memory.hpp"
#include "segments/segment.hpp"
#include "segments/segment_source.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace joblib_mpi {

/// Allocates memory for large arrays that other processes on this machine will see without a copy.
///
/// Segments are reused, so that their pages are warm and the other processes have them mapped already. A segment is
/// free once everything in it has been released. A segment costs an open file in each process that uses it, so the more
/// segments there are, the more arrays share one. Any thread may allocate and release.
///
/// Unused segments are a cache that gives way: they take at most an eighth of the room that is left.
class SegmentPool final : public ReceiveMemory {
 public:
  /// The number of bytes of free memory that a pool keeps of each kind, for one process and for the node. Chosen, not
  /// measured.
  static constexpr std::size_t default_spare_bytes = std::size_t{256} << 20;

  /// Makes a pool that keeps at most `spare_bytes` bytes of free memory of each kind. `source` supplies the memory for
  /// the node and, from 16 MiB on, that for one process.
  explicit SegmentPool(std::size_t spare_bytes = default_spare_bytes, SegmentSource source = {});

  /// Allocates memory for one other process, which may be allowed to write; on the heap if this process may open no
  /// more files, in which case the bytes are copied when they are lent. Throws std::system_error and NoRoomError.
  [[nodiscard]] Block allocate(std::size_t bytes) override;
  /// Allocates memory for one other process. Throws std::system_error, also if this process may open no more files, and
  /// NoRoomError.
  [[nodiscard]] Block allocate_to_share(std::size_t bytes);
  /// Allocates memory for all processes of the node, which only read it. Throws NoRoomError.
  [[nodiscard]] Block allocate_for_node(std::size_t bytes);
  /// Copies `content` to the beginning of `place`, which lies in a block that no other process has yet.
  void write(std::span<std::byte> place, ByteView content);
  /// Seals the segment of a block that is complete, see Segment::seal. Does nothing if it is in an adopted segment.
  void seal(ByteView block);

  /// Lets the segment in which these bytes are never be used for other ones: a process that this one hears of no more
  /// may have it mapped. Does nothing if they are in no segment of the pool.
  void retire(ByteView bytes);

  /// Maps a segment of another process; `find` finds it as long as the returned pointer is kept. Throws
  /// std::system_error.
  [[nodiscard]] std::shared_ptr<const Segment> adopt(Descriptor file, std::size_t bytes);

  /// A position in a segment, in bytes from its beginning.
  struct Place {
    std::shared_ptr<const Segment> segment;
    std::size_t offset;
  };
  /// Returns the place of these bytes in the pool's segments; nothing if they lie elsewhere.
  [[nodiscard]] std::optional<Place> find(ByteView bytes) const;
  /// Returns whether these bytes lie in memory for the node: from `allocate_for_node`, or in a segment that was
  /// adopted.
  [[nodiscard]] bool has_for_node(ByteView bytes) const;

  /// Gives unused segments back to the system as far as the room has become small. May be called often: looks at the
  /// room only if there are such segments, and a hundred times a second at most.
  void give_way();

  /// Returns how many segments the pool has given back to the system.
  [[nodiscard]] std::uint64_t segments_dropped() const;

  /// The segments of a pool and their sizes in bytes.
  struct Stats {
    std::size_t segments = 0;
    std::size_t bytes = 0;        ///< the size of those segments
    std::size_t spare_bytes = 0;  ///< the size of the unused ones
  };
  /// Returns the figures of the memory for the node.
  [[nodiscard]] Stats node_stats() const;
  /// Returns the figures of the segments that were adopted and are in use.
  [[nodiscard]] Stats adopted_stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // allocated memory may outlive the pool
};

}  // namespace joblib_mpi
