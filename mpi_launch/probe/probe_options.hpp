#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// What the command tells the program that it starts on all ranks.
struct ProbeOptions {
  std::string python;         ///< empty: none is asked
  std::string spill_folder;   ///< empty: where a run without the option puts results
  std::size_t megabytes = 4;  ///< of a large message
  double wait_seconds = 45;   ///< how long ranks wait for each other, and for Python

  friend bool operator==(const ProbeOptions&, const ProbeOptions&) = default;
};

/// The arguments that say them, and back. Both ends are of the same build, so nobody else writes them.
[[nodiscard]] std::vector<std::string> to_arguments(const ProbeOptions& options);
/// Throws UsageError.
[[nodiscard]] ProbeOptions probe_options_from(const std::vector<std::string>& arguments);

}  // namespace joblib_mpi::launch
