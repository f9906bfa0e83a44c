#pragma once

#include "core/idle_waiter.hpp"
#include "core/receive_memory.hpp"
#include "core/settings.hpp"
#include "core/wake_flag.hpp"
#include "segments/segment_pool.hpp"
#include "spill/result_format.hpp"
#include "store/node_link.hpp"
#include "transport/transport.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// The memory for large arrays in messages: the heap, or segments once other processes of this machine have to map
/// the arrays. Any thread may call the functions.
class MessageMemory final : public ReceiveMemory {
 public:
  /// `segments` must outlive this object.
  explicit MessageMemory(SegmentPool& segments) : segments_(&segments) {}

  /// Lets arrays arrive in segments from now on.
  void share() noexcept { is_shared_ = true; }
  [[nodiscard]] Block allocate(std::size_t bytes) override {
    return is_shared_ ? segments_->allocate(bytes) : heap_.allocate(bytes);
  }

 private:
  SegmentPool* segments_;
  HeapMemory heap_;
  std::atomic<bool> is_shared_{false};
};

/// The memory of a rank. It is made before the transport.
class RankMemory {
 public:
  /// Makes the memory as the settings say.
  explicit RankMemory(const Settings& settings)
      : segments_(settings.spare_bytes, {.uses_files = settings.shared_fallback_to_file}) {}

  /// Returns the segments that the processes of the node share.
  [[nodiscard]] SegmentPool& segments() noexcept { return segments_; }
  /// Returns the memory for messages.
  [[nodiscard]] MessageMemory& messages() noexcept { return messages_; }

 private:
  SegmentPool segments_;
  MessageMemory messages_{segments_};
};

/// The parts of a rank that do not depend on its role. Everything that they refer to must outlive the roles,
/// CoordinatingRank and ServingRank.
struct Rank {
  const Settings& settings;
  Transport& transport;
  SegmentPool& segments;
  NodeLinks& node_links;
  const std::vector<std::string>& hosts;  ///< processor names, by rank
  bool has_own_core;                      ///< true if its threads have cores to themselves, see MpiWorld
  /// The flag on which the thread sleeps that uses the transport, and who notifies it for messages.
  WakeFlag& wake_flag;
  IdleWaiter::WokenBy woken_by = IdleWaiter::WokenBy::none;
  const ResultFormat* result_format;  ///< the format of files for large results; null: they are never written
  /// Tells whether a rank is seen to work on this machine; may be empty.
  std::function<bool(int rank)> is_at_work = {};
  /// Returns the bytes of memory that are left on this node; may be empty, and then they are not watched.
  std::function<std::uint64_t()> room = {};
};

}  // namespace joblib_mpi
