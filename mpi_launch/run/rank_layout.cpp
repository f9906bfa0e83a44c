#include "run/rank_layout.hpp"

#include "command/launch_error.hpp"

#include <algorithm>
#include <string>

namespace joblib_mpi::launch {
namespace {

std::string counted(int number, const char* one) {
  return std::to_string(number) + " " + one + (number == 1 ? "" : "s");
}

/// Returns the number of ranks with `cores` each for which the allocation has cores.
int room_of(const Allocation& allocation, int cores) {
  int room = 0;
  for (const Allocation::Node& node : allocation.nodes) room += node.cores / cores;
  return room;
}

int default_ranks(const LaunchOptions& options, const LaunchEnvironment& environment) {
  const auto& allocation = environment.allocation;
  const int nodes = allocation ? static_cast<int>(allocation->nodes.size()) : 1;
  if (options.ranks_per_node) return *options.ranks_per_node * nodes;
  const int cores = options.threads_per_rank.value_or(1);
  if (!allocation) return std::max(1, environment.cores / cores);
  if (options.threads_per_rank && cores != allocation->cores_per_task.value_or(1)) {
    return std::max(1, room_of(*allocation, cores));
  }
  return allocation->tasks();
}

[[noreturn]] void refuse(const RankLayout& layout, const Allocation& allocation, int room) {
  throw LaunchError(to_string(layout) + (layout.ranks == 1 ? " does" : " do") + " not fit into " +
                        to_string(allocation) + ", which has " + counted(allocation.cores(), "core") + " on " +
                        counted(static_cast<int>(allocation.nodes.size()), "node"),
                    "ask for " + (room > 0 ? "at most -n " + std::to_string(room) : "fewer --threads") +
                        ", get a larger allocation, or let ranks share cores with --oversubscribe");
}

/// Returns the number of nodes that the ranks need. Throws LaunchError if there are fewer.
int nodes_for(const RankLayout& layout, const std::optional<Allocation>& allocation) {
  const int nodes = allocation ? static_cast<int>(allocation->nodes.size()) : 1;
  if (!layout.ranks_per_node) return std::min(nodes, layout.ranks);
  const int needed = (layout.ranks + *layout.ranks_per_node - 1) / *layout.ranks_per_node;
  if (needed <= nodes) return needed;
  throw LaunchError(
      counted(layout.ranks, "rank") + " with --per-node " + std::to_string(*layout.ranks_per_node) + " need " +
          counted(needed, "node") + ", but " +
          (allocation ? to_string(*allocation) + " has " + counted(nodes, "node") : "there is only this one"),
      "ask for at most -n " + std::to_string(nodes * *layout.ranks_per_node) + ", or raise --per-node");
}

void check_node(const RankLayout& layout, const Allocation& allocation) {
  if (!layout.ranks_per_node) return;
  const int needed = std::min(*layout.ranks_per_node, layout.ranks) * layout.cores_per_rank.value_or(1);
  int fitting = 0;
  int largest = 0;
  for (const Allocation::Node& node : allocation.nodes) {
    fitting += node.cores >= needed ? 1 : 0;
    largest = std::max(largest, node.cores);
  }
  if (fitting >= layout.nodes) return;
  throw LaunchError("--per-node " + std::to_string(*layout.ranks_per_node) + " needs " + counted(needed, "core") +
                        " of a node, but " + to_string(allocation) + " has " + counted(largest, "core") +
                        " on its largest node",
                    "lower --per-node or --threads, get a larger allocation, or let ranks share cores "
                    "with --oversubscribe");
}

}  // namespace

std::string to_string(const RankLayout& layout) {
  const int cores = layout.cores_per_rank.value_or(1);
  return counted(layout.ranks, "rank") + (cores == 1 ? "" : " of " + counted(cores, "core"));
}

RankLayout rank_layout(const LaunchOptions& options, const LaunchEnvironment& environment) {
  const auto& allocation = environment.allocation;
  RankLayout layout;
  layout.ranks = options.ranks.value_or(default_ranks(options, environment));
  layout.ranks_per_node = options.ranks_per_node;
  layout.cores_per_rank = options.threads_per_rank;
  if (!layout.cores_per_rank && allocation) layout.cores_per_rank = allocation->cores_per_task;
  layout.nodes = nodes_for(layout, allocation);

  const int cores = layout.cores_per_rank.value_or(1);
  if (!allocation) {
    layout.oversubscribed = environment.cores / cores < layout.ranks;
    return layout;
  }
  const int room = room_of(*allocation, cores);
  if (options.oversubscribes) {
    layout.oversubscribed = room < layout.ranks;
    layout.over_slots = true;
    return layout;
  }
  if (room < layout.ranks) refuse(layout, *allocation, room);
  check_node(layout, *allocation);
  layout.over_slots = allocation->tasks() < layout.ranks;
  return layout;
}

}  // namespace joblib_mpi::launch
