#pragma once

#include "core/content_hash.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace joblib_mpi {

/// What rank 0 is told of a result that lies in a file: enough to know the file again and to find the bytes in it
/// without understanding what else it holds.
struct ResultHandle {
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::string path;
  std::uint64_t file_bytes = 0;
  std::uint64_t structure_bytes = 0;  ///< from the beginning of the file; all of it if it is compressed
  ContentHash structure_hash{};
  bool compressed = false;
  // Of a file that is not compressed.
  Extent head = {};
  std::vector<Extent> parts = {};
};

[[nodiscard]] Bytes encode(const ResultHandle& handle);
/// Throws SerializationError.
[[nodiscard]] ResultHandle decode_result_handle(ByteView bytes);

}  // namespace joblib_mpi
