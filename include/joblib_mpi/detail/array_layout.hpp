#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace joblib_mpi {

/// The element type and shape of a large array, for files that other programs open: its bytes alone do not tell.
struct ArrayLayout {
  /// The element type as numpy writes it into .npy files: `dtype.str` such as "<f8", or "[('x', '<i4'), ('y', '<c16',
  /// (3,))]" for a structured type. Empty for opaque bytes.
  std::string type;
  std::vector<std::uint64_t> shape;  ///< empty for a 0-dimensional array
  bool fortran_order = false;        ///< true if the first index runs fastest
};

}  // namespace joblib_mpi
