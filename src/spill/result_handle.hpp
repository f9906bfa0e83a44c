#pragma once

#include "core/content_hash.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace joblib_mpi {

/// Describes to rank 0 a result that lies in a file: enough to recognize the file and to find the result's bytes
/// without understanding the rest of the file.
struct ResultHandle {
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::string path;
  std::uint64_t file_bytes = 0;
  std::uint64_t structure_bytes = 0;  ///< Counted from the beginning of the file; the whole file if it is compressed.
  ContentHash structure_hash{};
  bool compressed = false;
  // These are set for a file that is not compressed.
  Extent head = {};
  std::vector<Extent> parts = {};
};

[[nodiscard]] Bytes encode(const ResultHandle& handle);
/// Decodes a handle. Throws SerializationError.
[[nodiscard]] ResultHandle decode_result_handle(ByteView bytes);

}  // namespace joblib_mpi
