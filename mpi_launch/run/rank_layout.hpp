#pragma once

#include "command/options.hpp"
#include "run/environment.hpp"

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// The number of ranks, and the nodes and cores that they use.
struct RankLayout {
  int ranks = 1;
  int nodes = 1;                      ///< number of nodes with ranks
  std::optional<int> ranks_per_node;  ///< set if the user asked for a number
  std::optional<int> cores_per_rank;  ///< set if the user asked for a number, here or in the batch system
  bool oversubscribed = false;        ///< there are not enough cores for the ranks
  bool over_slots = false;            ///< the allocation has enough cores, but fewer tasks than ranks
};

/// Returns the layout in words: "4 ranks of 2 cores".
[[nodiscard]] std::string to_string(const RankLayout& layout);

/// Chooses what the options leave open. Throws LaunchError if the ranks do not fit into the allocation.
[[nodiscard]] RankLayout rank_layout(const LaunchOptions& options, const LaunchEnvironment& environment);

}  // namespace joblib_mpi::launch
