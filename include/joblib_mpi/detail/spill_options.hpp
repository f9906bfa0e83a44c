#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace joblib_mpi {

/// The options of ParallelOptions that decide which results go to files instead of the memory of rank 0. A call's unset
/// options come from the environment, then from built-in defaults.
struct SpillOptions {
  std::optional<std::uint64_t> threshold_bytes = {};
  std::optional<std::uint64_t> memory_budget_bytes = {};
  std::optional<std::string> folder = {};  ///< the directory in which the job makes its folder
  std::optional<bool> keep = {};
  std::optional<std::string> compression = {};
};

}  // namespace joblib_mpi
