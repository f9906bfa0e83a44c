#pragma once

#include <cstddef>

namespace joblib_mpi {

/// The shared objects of a rank and the memory of its node that holds them. Sizes are in bytes.
struct ObjectStats {
  std::size_t objects = 0;        ///< objects on this rank, including those still arriving
  std::size_t object_bytes = 0;   ///< their serialized size
  std::size_t transfers = 0;      ///< objects whose broadcast is not complete on this rank
  std::size_t segments = 0;       ///< blocks of memory that the node's processes share
  std::size_t segment_bytes = 0;  ///< their size, used or not
  std::size_t spare_bytes = 0;    ///< the part that is kept for future objects
};

}  // namespace joblib_mpi
