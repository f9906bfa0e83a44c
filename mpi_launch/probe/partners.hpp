#pragma once

#include "probe/report.hpp"

#include <vector>

namespace joblib_mpi::launch {

/// The ranks to which the way from rank 0 is measured: the first of each other host, and one beside rank 0.
[[nodiscard]] std::vector<int> partners_of_rank_0(const std::vector<RankReport>& ranks);

}  // namespace joblib_mpi::launch
