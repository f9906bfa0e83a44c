#pragma once

#include <joblib_mpi/detail/array_layout.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace joblib_mpi {

/// The origin of a result, stored for readers of its file.
struct ResultAttributes {
  std::string function;
  std::uint64_t index = 0;  ///< The index of the task.
  int rank = 0;
  double seconds = 0;  ///< The time that the function took.
};

/// The content of a result's file, without the bytes.
struct ResultContent {
  struct Array {
    ArrayLayout layout;
    std::uint64_t bytes = 0;
  };
  ResultAttributes attributes;
  std::uint64_t head_bytes = 0;
  std::vector<Array> arrays;
};

/// A result's whole file except the bytes of its datasets.
struct ResultStructure {
  Bytes bytes;                   ///< The bytes from the beginning of the file.
  std::uint64_t file_bytes = 0;  ///< The size of the whole file.
  std::uint64_t head_offset = 0;
  std::vector<std::uint64_t> array_offsets;
};

/// A line of a call's index file.
struct IndexEntry {
  std::uint64_t index = 0;  ///< The index of the task.
  std::string file;         ///< The path relative to the index file.
  std::string dataset;      ///< The dataset in that file.
};

/// The inner format of result files. No function here touches the disk, so no library is in the middle of a file when
/// the disk is full, and none reads a damaged file. Thread-safe. All functions throw Error.
class ResultFormat {
 public:
  ResultFormat() = default;
  ResultFormat(const ResultFormat&) = delete;
  ResultFormat& operator=(const ResultFormat&) = delete;
  virtual ~ResultFormat() = default;

  /// Lays out a file that has its arrays as they are in memory.
  [[nodiscard]] virtual ResultStructure lay_out(const ResultContent& content) const = 0;
  /// Returns a whole file whose arrays are compressed with `compression`.
  [[nodiscard]] virtual Bytes compress(const ResultContent& content, const Payload& result,
                                       const std::string& compression) const = 0;
  /// Returns the payload from which `compress` made the file.
  [[nodiscard]] virtual Payload decompress(ByteView file) const = 0;
  /// Returns a whole file that links the results of a call.
  [[nodiscard]] virtual Bytes index(const std::vector<IndexEntry>& entries) const = 0;
  /// Throws UsageError, which names the known ones, if `compress` does not support `compression`.
  virtual void require_compression(const std::string& compression) const = 0;
};

/// Returns the name of the dataset that represents a result in the index: its first array, or its head if it has none.
[[nodiscard]] inline std::string main_dataset(std::size_t arrays) {
  return arrays == 0 ? "head" : "arrays/0";
}

}  // namespace joblib_mpi
