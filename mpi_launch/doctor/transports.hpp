#pragma once

#include <map>
#include <string>
#include <string_view>

namespace joblib_mpi::launch {

/// What Open MPI says of what it sends over (with btl_base_verbose 1, which the probe sets on rank 0).
struct Transports {
  std::map<int, std::string> by_rank;  ///< "self", "vader", "sm", "tcp", …; several with "+" between
  std::string other_lines;             ///< what else there is
};

/// Finds it in a job's standard error, where only rank 0 says it.
[[nodiscard]] Transports transports_in(std::string_view errors);

}  // namespace joblib_mpi::launch
