#pragma once

#include "spill/result_format.hpp"

namespace joblib_mpi {

/// Results as HDF5 files: the datasets `arrays/0`, `arrays/1`, … with the type and shape that h5py reads back, `head`
/// with the other bytes, and the attributes `function`, `task`, `rank` and `seconds` of the file and its main dataset.
///
/// HDF5 knows C order only: an array in Fortran order is stored as its transpose, with the attribute `fortran_order`.
/// What HDF5 has no type for is stored as bytes, with the attributes `dtype` and `shape` as numpy has them.
///
/// A compression is "gzip", "gzip:6" with its level, or one of the others that HDF5 finds as plugins: "lzf", "bzip2",
/// "blosc", "lz4", "zstd". "none" is none.
class Hdf5ResultFormat final : public ResultFormat {
 public:
  [[nodiscard]] ResultStructure lay_out(const ResultContent& content) const override;
  /// Holds the compressed file in memory.
  [[nodiscard]] Bytes compress(const ResultContent& content, const Payload& result,
                               const std::string& compression) const override;
  [[nodiscard]] Payload decompress(ByteView file) const override;
  /// External links `result/<task>`.
  [[nodiscard]] Bytes index(const std::vector<IndexEntry>& entries) const override;
  void require_compression(const std::string& compression) const override;
};

/// The one that all of a process may share.
[[nodiscard]] inline const ResultFormat& result_format() {
  static const Hdf5ResultFormat format;
  return format;
}

}  // namespace joblib_mpi
