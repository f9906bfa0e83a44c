#pragma once

#include <cstddef>

namespace joblib_mpi {

/// What a rank's node holds of shared objects.
struct ObjectStats {
  std::size_t objects = 0;        ///< on this rank, those under way included
  std::size_t object_bytes = 0;   ///< of these, serialized
  std::size_t transfers = 0;      ///< objects whose broadcast is not complete on this rank
  std::size_t segments = 0;       ///< of memory that the node's processes share
  std::size_t segment_bytes = 0;  ///< used or not
  std::size_t spare_bytes = 0;    ///< of segments that are kept for objects to come
};

}  // namespace joblib_mpi
