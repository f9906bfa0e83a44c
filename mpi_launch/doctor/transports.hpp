#pragma once

#include <map>
#include <string>
#include <string_view>

namespace joblib_mpi::launch {

/// The transports that Open MPI reports (with btl_base_verbose 1, which the probe sets on rank 0).
struct Transports {
  std::map<int, std::string> by_rank;  ///< "self", "vader", "sm", "tcp", …; several with "+" between
  std::string other_lines;             ///< all lines that report no transport
};

/// Parses a job's standard error, in which only rank 0 reports its transports.
[[nodiscard]] Transports transports_in(std::string_view errors);

}  // namespace joblib_mpi::launch
