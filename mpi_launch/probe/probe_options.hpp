#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// The options of the program that the command starts on all ranks.
struct ProbeOptions {
  std::string python;         ///< empty: no Python is examined
  std::string spill_folder;   ///< empty: the default folder of a run
  std::size_t megabytes = 4;  ///< size of a large message
  double wait_seconds = 45;   ///< how long ranks wait for each other, and for Python

  friend bool operator==(const ProbeOptions&, const ProbeOptions&) = default;
};

/// Returns the options as command-line arguments, which only probe_options_from of the same build reads.
[[nodiscard]] std::vector<std::string> to_arguments(const ProbeOptions& options);
/// Parses the arguments that to_arguments returns. Throws UsageError for any others.
[[nodiscard]] ProbeOptions probe_options_from(const std::vector<std::string>& arguments);

}  // namespace joblib_mpi::launch
