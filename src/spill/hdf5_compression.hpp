#pragma once

#include <hdf5.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace joblib_mpi {

/// A filter of HDF5 and its level.
struct Hdf5Compression {
  H5Z_filter_t filter;
  std::optional<unsigned> level;
};

/// Returns the filter for a text such as "gzip:6", and nothing for "none". Throws UsageError, which names the known
/// ones, if the text is none of them or if HDF5 lacks the filter. The caller must hold `lock_hdf5`.
[[nodiscard]] std::optional<Hdf5Compression> hdf5_compression(const std::string& text);

/// Sets up a dataset of this shape, which must not be empty, to consist of compressed chunks. Throws Hdf5Error.
void set_compression(hid_t properties, const Hdf5Compression& compression, std::span<const hsize_t> shape,
                     std::size_t item_bytes);

}  // namespace joblib_mpi
