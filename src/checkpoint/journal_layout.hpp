#pragma once

#include "checkpoint/journal_format.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A whole journal file except the bytes of its results, which lie between `before` and `after`.
struct JournalStructure {
  Bytes before;  ///< Includes room for the user block.
  Bytes after;
  std::uint64_t records_offset = 0;  ///< The offset in the file, as are all offsets.
  std::uint64_t data_offset = 0;
};

/// Lays out a file without touching the disk, so that no library is in the middle of a file when the disk is full.
/// Called by one thread at a time for each journal. Throws Error.
using JournalLayout = std::function<JournalStructure(const std::vector<JournalRecord>& records, std::uint64_t data_size,
                                                     const std::string& identity)>;

}  // namespace joblib_mpi
