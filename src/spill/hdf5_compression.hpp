#pragma once

#include <hdf5.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace joblib_mpi {

/// A filter of HDF5.
struct Hdf5Compression {
  H5Z_filter_t filter;
  std::optional<unsigned> level;
};

/// Of "gzip:6" and the like; nothing of "none". Throws UsageError, which names those that there are, if it is none of
/// them or if HDF5 lacks it. The caller holds `lock_hdf5`.
[[nodiscard]] std::optional<Hdf5Compression> hdf5_compression(const std::string& text);

/// Lets a dataset of this shape, which is not empty, be made of compressed chunks. Throws Hdf5Error.
void set_compression(hid_t properties, const Hdf5Compression& compression, std::span<const hsize_t> shape,
                     std::size_t item_bytes);

}  // namespace joblib_mpi
