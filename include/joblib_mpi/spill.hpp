#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace joblib_mpi {

/// When and how large results go to files instead of rank 0's memory; what is left out comes from the environment
/// (JOBLIB_MPI_SPILL_THRESHOLD and so on), then from what is said here.
struct SpillOptions {
  /// Larger results spill, whatever memory there is; 64 MB.
  std::optional<std::uint64_t> threshold_bytes = {};
  /// What results may take of rank 0's memory before all but small ones spill; half of rank 0's share of its node.
  std::optional<std::uint64_t> memory_budget_bytes = {};
  /// Where the job's folder is made; every rank must see it. TMPDIR, or the working directory if that is unset or if
  /// there are several nodes.
  std::optional<std::string> folder = {};
  /// Whether the files stay when nobody needs them any more, with an `index.h5` for each call; false.
  std::optional<bool> keep = {};
  /// "none", "gzip", "gzip:6" or another filter that HDF5 finds; "none". Compressed results are read into memory.
  std::optional<std::string> compression = {};
};

}  // namespace joblib_mpi
