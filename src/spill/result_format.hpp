#pragma once

#include <joblib_mpi/detail/array_layout.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace joblib_mpi {

/// Where a result comes from, for those who open its file.
struct ResultAttributes {
  std::string function;
  std::uint64_t task = 0;  ///< its index in the call
  int rank = 0;
  double seconds = 0;  ///< that the function took
};

/// What a result's file holds, without the bytes.
struct ResultContent {
  struct Array {
    ArrayLayout layout;
    std::uint64_t bytes = 0;
  };
  ResultAttributes attributes;
  std::uint64_t head_bytes = 0;
  std::vector<Array> arrays;
};

/// All of a result's file but the bytes of its datasets.
struct ResultStructure {
  Bytes bytes;                   ///< from the beginning of the file
  std::uint64_t file_bytes = 0;  ///< the size of the whole file
  std::uint64_t head_offset = 0;
  std::vector<std::uint64_t> array_offsets;
};

/// A line of a call's index file.
struct IndexEntry {
  std::uint64_t task = 0;
  std::string file;     ///< relative to the index file
  std::string dataset;  ///< in that file
};

/// What result files look like inside. Nothing here touches the disk, so that no library is in the middle of a file
/// when the disk is full, and none meets a damaged one. Any thread may call. All throw Error.
class ResultFormat {
 public:
  ResultFormat() = default;
  ResultFormat(const ResultFormat&) = delete;
  ResultFormat& operator=(const ResultFormat&) = delete;
  virtual ~ResultFormat() = default;

  /// A file whose arrays lie in it as they are in memory.
  [[nodiscard]] virtual ResultStructure lay_out(const ResultContent& content) const = 0;
  /// A whole file, its arrays compressed as `compression` says.
  [[nodiscard]] virtual Bytes compress(const ResultContent& content, const Payload& result,
                                       const std::string& compression) const = 0;
  /// What `compress` was given, from the file that it made.
  [[nodiscard]] virtual Payload decompress(ByteView file) const = 0;
  /// A whole file that links the results of a call.
  [[nodiscard]] virtual Bytes index(const std::vector<IndexEntry>& entries) const = 0;
  /// Throws UsageError, which names what there is, if `compression` is nothing that `compress` can do.
  virtual void require_compression(const std::string& compression) const = 0;
};

/// The dataset of a result that stands for it in the index: its first array, or its head if it has none.
[[nodiscard]] inline std::string main_dataset(std::size_t arrays) {
  return arrays == 0 ? "head" : "arrays/0";
}

}  // namespace joblib_mpi
