#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace joblib_mpi {

/// The options of ParallelOptions that decide which results go to files instead of the memory of rank 0. A call's unset
/// options come from the environment, then from built-in defaults.
struct SpillOptions {
  std::optional<std::uint64_t> threshold_bytes = {};      ///< the size above which a result goes to a file
  std::optional<std::uint64_t> memory_budget_bytes = {};  ///< the memory of rank 0 that results may take
  std::optional<std::string> folder = {};                 ///< the directory in which the job makes its folder
  std::optional<bool> keep = {};                          ///< keeps the files after the call
  std::optional<std::string> compression = {};            ///< "none" or an HDF5 filter such as "gzip:6"
};

}  // namespace joblib_mpi
