#pragma once

#include "core/receive_memory.hpp"
#include "core/settings.hpp"
#include "segments/segment_pool.hpp"
#include "spill/result_format.hpp"
#include "store/node_link.hpp"
#include "transport/transport.hpp"

#include <string>
#include <vector>

namespace joblib_mpi {

/// The memory that a rank receives into, made before its transport.
class RankMemory {
 public:
  explicit RankMemory(const Settings& settings)
      : segments_(settings.spare_bytes, {.uses_files = settings.shared_fallback_to_file}) {}

  [[nodiscard]] SegmentPool& segments() noexcept { return segments_; }
  /// The memory for large arrays of messages: segments where executor processes are to map them, the heap otherwise.
  [[nodiscard]] ReceiveMemory& for_messages(bool has_executor_processes) noexcept {
    return has_executor_processes ? static_cast<ReceiveMemory&>(segments_) : heap_;
  }

 private:
  SegmentPool segments_;
  HeapMemory heap_;
};

/// The parts of a rank that do not depend on the role it plays. What they refer to must outlive the rank's roles,
/// CoordinatingRank and ServingRank.
struct Rank {
  const Settings& settings;
  Transport& transport;
  SegmentPool& segments;
  NodeLinks& node_links;
  const std::vector<std::string>& hosts;  ///< processor names, by rank
  bool has_own_core;                      ///< whether its threads have cores to themselves, see MpiWorld
  const ResultFormat* result_format;      ///< how large results are written to files; null: they never are
};

}  // namespace joblib_mpi
