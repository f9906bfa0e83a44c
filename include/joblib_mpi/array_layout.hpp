#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace joblib_mpi {

/// How the bytes of a large array are to be read, for files that others open: the bytes alone do not tell.
struct ArrayLayout {
  /// As numpy writes it into its own files: `dtype.str` such as "<f8", or "[('x', '<i4'), ('y', '<c16', (3,))]" of a
  /// structured type. Empty if the bytes are no array: they are opaque then.
  std::string type;
  std::vector<std::uint64_t> shape;  ///< empty for a 0-dimensional array
  bool fortran_order = false;        ///< the first index runs fastest
};

}  // namespace joblib_mpi
