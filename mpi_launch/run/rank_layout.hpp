#pragma once

#include "command/options.hpp"
#include "run/environment.hpp"

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// How many ranks there are to be, and what each has.
struct RankLayout {
  int ranks = 1;
  int nodes = 1;                      ///< that they are on
  std::optional<int> ranks_per_node;  ///< if it was said
  std::optional<int> cores_per_rank;  ///< if it was said, here or to the batch system
  bool oversubscribed = false;        ///< more ranks than cores for them
  bool over_slots = false;            ///< more ranks than tasks of the allocation, though it has cores for them
};

/// In words: "4 ranks of 2 cores".
[[nodiscard]] std::string to_string(const RankLayout& layout);

/// Decides what the options leave open. Throws LaunchError if the ranks do not fit into the allocation.
[[nodiscard]] RankLayout rank_layout(const LaunchOptions& options, const LaunchEnvironment& environment);

}  // namespace joblib_mpi::launch
