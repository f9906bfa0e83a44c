#pragma once

#include "probe/report.hpp"

#include <vector>

namespace joblib_mpi::launch {

/// Returns the ranks to which rank 0 measures its link: the first of each other host, and one on rank 0's host.
[[nodiscard]] std::vector<int> partners_of_rank_0(const std::vector<RankReport>& ranks);

}  // namespace joblib_mpi::launch
