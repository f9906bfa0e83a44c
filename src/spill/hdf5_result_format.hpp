#pragma once

#include "spill/result_format.hpp"

namespace joblib_mpi {

/// Stores results as HDF5 files: the datasets `arrays/0`, `arrays/1`, … have the type and shape that h5py reads back,
/// `head` has the other bytes, and the file and its main dataset have the attributes `function`, `task`, `rank` and
/// `seconds`.
///
/// HDF5 knows C order only: an array in Fortran order is stored as its transpose, with the attribute `fortran_order`.
/// An array whose type HDF5 lacks is stored as bytes, with numpy's `dtype` and `shape` as attributes.
///
/// A compression is "none", "gzip", "gzip:6" with its level, or one of those that HDF5 finds as plugins: "lzf",
/// "bzip2", "blosc", "lz4", "zstd".
class Hdf5ResultFormat final : public ResultFormat {
 public:
  [[nodiscard]] ResultStructure lay_out(const ResultContent& content) const override;
  /// Builds the compressed file in memory.
  [[nodiscard]] Bytes compress(const ResultContent& content, const Payload& result,
                               const std::string& compression) const override;
  [[nodiscard]] Payload decompress(ByteView file) const override;
  /// Returns a file with the external links `result/<task>`.
  [[nodiscard]] Bytes index(const std::vector<IndexEntry>& entries) const override;
  void require_compression(const std::string& compression) const override;
};

/// Returns the instance that a whole process may share.
[[nodiscard]] inline const ResultFormat& result_format() {
  static const Hdf5ResultFormat format;
  return format;
}

}  // namespace joblib_mpi
