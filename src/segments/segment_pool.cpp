#include "segments/segment_pool.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

namespace joblib_mpi {
namespace {

// Arrays of at most a quarter of a common segment share segments, since each segment costs an open file in each process
// that uses it. Common segments become twice as large with every so many segments, so the number of segments grows with
// the logarithm of their size: 100 segments hold 8 GB. All chosen, not measured.
constexpr std::size_t smallest_common_bytes = std::size_t{4} << 20;
constexpr std::size_t segments_per_doubling = 16;
constexpr std::size_t most_doublings = 6;

/// The size in bytes from which it is asked whether there is room for memory for one process. To ask takes as long as
/// to fill some 100 KB.
constexpr std::size_t least_asked_bytes = std::size_t{16} << 20;

/// The size up to which memory is copied at once, in bytes. With what is larger than the caches memcpy bypasses them,
/// which is slower unless source and target lie alike in their pages.
constexpr std::size_t most_copied_bytes = std::size_t{4} << 20;

/// Returns the size of the next common segment in a pool with so many segments.
constexpr std::size_t common_bytes(std::size_t segments) {
  return smallest_common_bytes << std::min(segments / segments_per_doubling, most_doublings);
}

/// Rounds up by at most an eighth, so that arrays of nearly the same size fit into each other's segments.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::max(std::bit_floor(bytes) / 8, smallest_common_bytes / 8);
  return (bytes + step - 1) / step * step;
}

/// Unused segments take at most the room that is left divided by this. Chosen, not measured: each rank of a node has
/// such segments.
constexpr std::uint64_t room_per_spare = 8;
constexpr std::chrono::milliseconds between_looks_at_room{10};  // a look takes some 50 µs

/// Returns whether the bytes, which begin at or behind the segment's beginning, lie in it.
bool holds(const Segment& segment, ByteView bytes) {
  const std::span<std::byte> all = segment.bytes();
  const auto offset = static_cast<std::size_t>(bytes.data() - all.data());
  return offset <= all.size() && bytes.size() <= all.size() - offset;
}

bool lacks_descriptors(const std::system_error& error) {
  return error.code() == std::errc::too_many_files_open || error.code() == std::errc::too_many_files_open_in_system;
}

/// The segments of one kind. A segment that was sealed for the node is never given to a process that may write.
struct Shelf;

struct PooledSegment {
  std::shared_ptr<const Segment> segment;
  Shelf* shelf;
  bool sealed = false;
  bool retired = false;
  std::size_t used_bytes = 0;
  std::size_t blocks = 0;
};

struct Shelf {
  PooledSegment* common = nullptr;   // takes small arrays at present
  std::deque<PooledSegment*> spare;  // the most recently used last
  std::size_t spare_bytes = 0;
};

}  // namespace

struct SegmentPool::State {
  State(std::size_t most_spare, SegmentSource node_source)
      : most_spare_bytes(most_spare), source(std::move(node_source)) {}

  /// Returns a free segment of at least `bytes` and at most twice that, or a new one. The lock must be held.
  PooledSegment& segment_of(std::size_t bytes, Shelf& shelf);
  /// Returns a segment for several arrays, of which the first has `least` bytes. The lock must be held.
  PooledSegment& common_segment(std::size_t bytes, std::size_t least, Shelf& shelf);
  [[nodiscard]] ReceiveMemory::Block allocate(std::size_t bytes, Shelf& shelf, const std::shared_ptr<State>& self);
  void let_go(PooledSegment& pooled);
  /// Keeps a segment in which nothing is in use, and drops the oldest ones beyond the limit. The lock must be held.
  void keep_spare(PooledSegment& pooled);
  /// Drops the oldest unused segments beyond `most_bytes`. The lock must be held.
  void drop_spare(Shelf& shelf, std::size_t most_bytes);
  /// Gives a segment in which nothing is in use back to the system. The lock must be held.
  void forget(const PooledSegment& pooled);
  /// Returns the bytes of unused segments of each kind that may be kept if `needed` bytes are taken next. The lock must
  /// be held.
  [[nodiscard]] std::size_t allowed_spare_bytes(std::size_t needed = 0);
  void give_way(std::size_t needed = 0);
  void let_go_adopted(const std::byte* begin);
  /// Returns the segment of the pool in which the bytes lie, or nullptr. The lock must be held.
  [[nodiscard]] PooledSegment* pooled_with(ByteView bytes);
  /// Returns the adopted segment that begins last at or before `place`, or nullptr. The lock must be held; what is
  /// returned must outlive it, because the segment's deleter takes it.
  [[nodiscard]] std::shared_ptr<const Segment> adopted_at(const std::byte* place) const;

  const std::size_t most_spare_bytes;
  const SegmentSource source;  // the source of memory for the node, and of large memory for one process
  std::mutex mutex;
  std::uint64_t next_id = 1;
  std::map<const std::byte*, PooledSegment> segments;                // by the address where they begin
  std::map<const std::byte*, std::weak_ptr<const Segment>> adopted;  // by the address where they begin
  Shelf for_one;
  Shelf for_node;
  std::uint64_t dropped = 0;
  std::chrono::steady_clock::time_point looked_at_room;
  std::uint64_t room_bytes = 0;  // at that time
};

PooledSegment& SegmentPool::State::segment_of(std::size_t bytes, Shelf& shelf) {
  const auto fits = [bytes](const PooledSegment* free) {
    const std::size_t size = free->segment->bytes().size();
    return size >= bytes && size <= 2 * bytes;
  };
  if (const auto found = std::find_if(shelf.spare.rbegin(), shelf.spare.rend(), fits); found != shelf.spare.rend()) {
    PooledSegment& pooled = **found;
    shelf.spare_bytes -= pooled.segment->bytes().size();
    shelf.spare.erase(std::next(found).base());
    return pooled;
  }
  if (for_one.spare_bytes + for_node.spare_bytes > 0) give_way(bytes);
  const bool asks = &shelf == &for_node || bytes >= least_asked_bytes;
  Descriptor file = asks ? source.open(bytes) : make_memory_file(bytes);
  auto segment = std::make_shared<const Segment>(next_id++, std::move(file), bytes, Access::writable);
  const std::byte* begin = segment->bytes().data();
  return segments.emplace(begin, PooledSegment{std::move(segment), &shelf}).first->second;
}

PooledSegment& SegmentPool::State::common_segment(std::size_t bytes, std::size_t least, Shelf& shelf) {
  try {
    return segment_of(bytes, shelf);
  } catch (const NoRoomError&) {
    if (rounded(least) >= bytes) throw;
    return segment_of(rounded(least), shelf);
  }
}

ReceiveMemory::Block SegmentPool::State::allocate(std::size_t bytes, Shelf& shelf, const std::shared_ptr<State>& self) {
  if (bytes == 0) return {};
  const std::lock_guard lock(mutex);
  PooledSegment* pooled = nullptr;
  const std::size_t common = common_bytes(segments.size());
  if (bytes > common / 4) {
    pooled = &segment_of(rounded(bytes), shelf);
  } else {
    pooled = shelf.common;
    if (pooled == nullptr || pooled->used_bytes + bytes > pooled->segment->bytes().size()) {
      PooledSegment* const before = std::exchange(shelf.common, nullptr);
      if (before != nullptr && before->blocks == 0) keep_spare(*before);
      pooled = shelf.common = &common_segment(common, bytes, shelf);
    }
  }
  const std::span<std::byte> place = pooled->segment->bytes().subspan(pooled->used_bytes, bytes);
  pooled->used_bytes = aligned(pooled->used_bytes + bytes);
  ++pooled->blocks;
  return {std::shared_ptr<const void>(place.data(), [self, pooled](const void*) { self->let_go(*pooled); }), place};
}

void SegmentPool::State::let_go(PooledSegment& pooled) {
  const std::lock_guard lock(mutex);
  if (--pooled.blocks > 0) return;
  if (pooled.retired) return forget(pooled);
  pooled.used_bytes = 0;
  if (&pooled != pooled.shelf->common) keep_spare(pooled);
}

void SegmentPool::State::keep_spare(PooledSegment& pooled) {
  Shelf& shelf = *pooled.shelf;
  shelf.spare.push_back(&pooled);
  shelf.spare_bytes += pooled.segment->bytes().size();
  drop_spare(shelf, allowed_spare_bytes());
}

std::size_t SegmentPool::State::allowed_spare_bytes(std::size_t needed) {
  if (most_spare_bytes == 0) return 0;
  if (const auto now = std::chrono::steady_clock::now(); now - looked_at_room > between_looks_at_room) {
    looked_at_room = now;
    room_bytes = source.room().bytes;
  }
  const std::uint64_t left = room_bytes - std::min<std::uint64_t>(room_bytes, needed);
  return std::min<std::uint64_t>(most_spare_bytes, left / room_per_spare);
}

void SegmentPool::State::give_way(std::size_t needed) {
  const std::size_t allowed = allowed_spare_bytes(needed);
  drop_spare(for_one, allowed);
  drop_spare(for_node, allowed);
}

void SegmentPool::State::drop_spare(Shelf& shelf, std::size_t most_bytes) {
  while (shelf.spare_bytes > most_bytes) {
    PooledSegment& oldest = *shelf.spare.front();
    shelf.spare.pop_front();
    shelf.spare_bytes -= oldest.segment->bytes().size();
    forget(oldest);
  }
}

void SegmentPool::State::forget(const PooledSegment& pooled) {
  ++dropped;
  segments.erase(pooled.segment->bytes().data());
}

void SegmentPool::State::let_go_adopted(const std::byte* begin) {
  const std::lock_guard lock(mutex);
  adopted.erase(begin);
  ++dropped;
}

PooledSegment* SegmentPool::State::pooled_with(ByteView bytes) {
  const auto after = segments.upper_bound(bytes.data());
  if (after == segments.begin()) return nullptr;
  PooledSegment& pooled = std::prev(after)->second;
  return holds(*pooled.segment, bytes) ? &pooled : nullptr;
}

std::shared_ptr<const Segment> SegmentPool::State::adopted_at(const std::byte* place) const {
  const auto after = adopted.upper_bound(place);
  return after == adopted.begin() ? nullptr : std::prev(after)->second.lock();
}

SegmentPool::SegmentPool(std::size_t spare_bytes, SegmentSource source)
    : state_(std::make_shared<State>(spare_bytes, std::move(source))) {}

ReceiveMemory::Block SegmentPool::allocate(std::size_t bytes) {
  try {
    return allocate_to_share(bytes);
  } catch (const std::system_error& error) {
    if (!lacks_descriptors(error)) throw;
    return HeapMemory().allocate(bytes);
  }
}

ReceiveMemory::Block SegmentPool::allocate_to_share(std::size_t bytes) {
  return state_->allocate(bytes, state_->for_one, state_);
}

ReceiveMemory::Block SegmentPool::allocate_for_node(std::size_t bytes) {
  return state_->allocate(bytes, state_->for_node, state_);
}

void SegmentPool::write(std::span<std::byte> place, ByteView content) {
  std::shared_ptr<const Segment> fresh;
  {
    const std::lock_guard lock(state_->mutex);
    const PooledSegment* pooled = state_->pooled_with(place);
    assert(pooled != nullptr);
    if (!pooled->sealed) fresh = pooled->segment;
  }
  if (fresh) {
    fresh->write(static_cast<std::size_t>(place.data() - fresh->bytes().data()), content);
  } else {
    for (; !content.empty(); content = content.subspan(std::min(content.size(), most_copied_bytes))) {
      const ByteView piece = content.first(std::min(content.size(), most_copied_bytes));
      std::memcpy(place.data(), piece.data(), piece.size());
      place = place.subspan(piece.size());
    }
  }
}

void SegmentPool::seal(ByteView block) {
  if (block.empty()) return;
  const std::lock_guard lock(state_->mutex);
  PooledSegment* pooled = state_->pooled_with(block);
  if (pooled != nullptr && !std::exchange(pooled->sealed, true)) pooled->segment->seal();
}

void SegmentPool::retire(ByteView bytes) {
  const std::lock_guard lock(state_->mutex);
  PooledSegment* const pooled = state_->pooled_with(bytes);
  if (pooled == nullptr) return;
  pooled->retired = true;
  if (pooled->shelf->common == pooled) pooled->shelf->common = nullptr;
}

std::shared_ptr<const Segment> SegmentPool::adopt(Descriptor file, std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  auto mapped = std::make_unique<const Segment>(state_->next_id++, std::move(file), bytes, Access::read_only);
  const std::byte* begin = mapped->bytes().data();
  const std::shared_ptr<const Segment> segment(mapped.release(), [state = state_, begin](const Segment* gone) {
    state->let_go_adopted(begin);  // before the unmapping, after which another segment may get the address
    delete gone;
  });
  state_->adopted.insert_or_assign(begin, segment);
  return segment;
}

std::optional<SegmentPool::Place> SegmentPool::find(ByteView bytes) const {
  std::shared_ptr<const Segment> segment;  // outlives the lock
  const std::lock_guard lock(state_->mutex);
  const PooledSegment* const pooled = state_->pooled_with(bytes);
  segment = pooled != nullptr ? pooled->segment : state_->adopted_at(bytes.data());
  if (!segment || !holds(*segment, bytes)) return std::nullopt;
  const auto offset = static_cast<std::size_t>(bytes.data() - segment->bytes().data());
  return Place{segment, offset};
}

bool SegmentPool::has_for_node(ByteView bytes) const {
  std::shared_ptr<const Segment> segment;  // outlives the lock
  const std::lock_guard lock(state_->mutex);
  if (const PooledSegment* const pooled = state_->pooled_with(bytes)) return pooled->shelf == &state_->for_node;
  segment = state_->adopted_at(bytes.data());
  return segment && holds(*segment, bytes);
}

void SegmentPool::give_way() {
  const std::lock_guard lock(state_->mutex);
  if (state_->for_one.spare_bytes + state_->for_node.spare_bytes > 0) state_->give_way();
}

std::uint64_t SegmentPool::segments_dropped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dropped;
}

SegmentPool::Stats SegmentPool::node_stats() const {
  const std::lock_guard lock(state_->mutex);
  Stats stats{.spare_bytes = state_->for_node.spare_bytes};
  for (const auto& [begin, pooled] : state_->segments) {
    if (pooled.shelf != &state_->for_node) continue;
    ++stats.segments;
    stats.bytes += pooled.segment->bytes().size();
  }
  return stats;
}

SegmentPool::Stats SegmentPool::adopted_stats() const {
  std::vector<std::shared_ptr<const Segment>> segments;  // outlive the lock
  const std::lock_guard lock(state_->mutex);
  Stats stats;
  for (const auto& [begin, adopted] : state_->adopted) {
    segments.push_back(adopted.lock());
    if (!segments.back()) continue;
    ++stats.segments;
    stats.bytes += segments.back()->bytes().size();
  }
  return stats;
}

}  // namespace joblib_mpi
