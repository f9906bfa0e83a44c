#include "segments/segment_pool.hpp"

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace joblib_mpi {
namespace {

// Arrays of less than a quarter share segments: each costs an open file. Chosen, not measured.
constexpr std::size_t common_segment_bytes = std::size_t{4} << 20;
constexpr std::size_t most_in_common = common_segment_bytes / 4;

constexpr std::size_t alignment = 64;

/// Up to an eighth more, so that arrays of nearly the same size fit into each other's segments.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::max(std::bit_floor(bytes) / 8, common_segment_bytes / 8);
  return (bytes + step - 1) / step * step;
}

struct PooledSegment {
  PooledSegment(std::uint64_t id, std::size_t bytes) : segment(std::make_shared<const Segment>(id, bytes)) {}

  std::shared_ptr<const Segment> segment;
  std::size_t used_bytes = 0;
  std::size_t blocks = 0;
};

}  // namespace

struct SegmentPool::State {
  explicit State(std::size_t most_spare) : most_spare_bytes(most_spare) {}

  /// A free segment of at least `bytes` and at most twice that, or a new one.
  PooledSegment& segment_of(std::size_t bytes);
  void let_go(PooledSegment& pooled);

  const std::size_t most_spare_bytes;
  std::mutex mutex;
  std::uint64_t next_id = 1;
  std::map<const std::byte*, PooledSegment> segments;  // by where they begin
  PooledSegment* common = nullptr;                     // takes small arrays at present
  std::deque<PooledSegment*> spare;                    // the warmest last
  std::size_t spare_bytes = 0;
  std::vector<std::uint64_t> dropped;
};

PooledSegment& SegmentPool::State::segment_of(std::size_t bytes) {
  const auto fits = [bytes](const PooledSegment* free) {
    const std::size_t size = free->segment->bytes().size();
    return size >= bytes && size <= 2 * bytes;
  };
  if (const auto found = std::find_if(spare.rbegin(), spare.rend(), fits); found != spare.rend()) {
    PooledSegment& pooled = **found;
    spare_bytes -= pooled.segment->bytes().size();
    spare.erase(std::next(found).base());
    return pooled;
  }
  PooledSegment fresh(next_id++, bytes);
  const std::byte* begin = fresh.segment->bytes().data();
  return segments.emplace(begin, std::move(fresh)).first->second;
}

void SegmentPool::State::let_go(PooledSegment& pooled) {
  const std::lock_guard lock(mutex);
  if (--pooled.blocks > 0) return;
  pooled.used_bytes = 0;
  if (&pooled == common) return;
  spare.push_back(&pooled);
  spare_bytes += pooled.segment->bytes().size();
  while (spare_bytes > most_spare_bytes) {
    const std::shared_ptr<const Segment> oldest = spare.front()->segment;
    spare.pop_front();
    spare_bytes -= oldest->bytes().size();
    dropped.push_back(oldest->id());
    segments.erase(oldest->bytes().data());
  }
}

SegmentPool::SegmentPool(std::size_t spare_bytes) : state_(std::make_shared<State>(spare_bytes)) {}

ReceiveMemory::Block SegmentPool::allocate(std::size_t bytes) {
  if (bytes == 0) return {};
  const std::lock_guard lock(state_->mutex);
  PooledSegment* pooled = nullptr;
  if (bytes > most_in_common) {
    pooled = &state_->segment_of(rounded(bytes));
  } else {
    pooled = state_->common;
    if (pooled == nullptr || pooled->used_bytes + bytes > pooled->segment->bytes().size()) {
      pooled = state_->common = &state_->segment_of(common_segment_bytes);
    }
  }
  const std::span<std::byte> place = pooled->segment->bytes().subspan(pooled->used_bytes, bytes);
  pooled->used_bytes = (pooled->used_bytes + bytes + alignment - 1) / alignment * alignment;
  ++pooled->blocks;
  return {std::shared_ptr<const void>(place.data(), [state = state_, pooled](const void*) { state->let_go(*pooled); }),
          place};
}

std::optional<SegmentPool::Place> SegmentPool::find(ByteView bytes) const {
  const std::lock_guard lock(state_->mutex);
  auto after = state_->segments.upper_bound(bytes.data());
  if (after == state_->segments.begin()) return std::nullopt;
  const std::shared_ptr<const Segment>& segment = std::prev(after)->second.segment;
  const auto offset = static_cast<std::size_t>(bytes.data() - segment->bytes().data());
  if (offset + bytes.size() > segment->bytes().size()) return std::nullopt;
  return Place{segment, offset};
}

std::vector<std::uint64_t> SegmentPool::take_dropped() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->dropped, {});
}

}  // namespace joblib_mpi
