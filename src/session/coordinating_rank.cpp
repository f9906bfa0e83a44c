#include "session/coordinating_rank.hpp"

#include "segments/memory_room.hpp"

#include <algorithm>
#include <cstdint>

namespace joblib_mpi {
namespace {

/// Returns the options of the result store. Results may take half of rank 0's share of its node's memory unless the
/// settings or a call say otherwise.
ResultStore::Options spill_options(const Rank& rank) {
  const auto ranks_here = static_cast<std::uint64_t>(std::ranges::count(rank.hosts, rank.hosts.front()));
  return {.format = rank.result_format,
          .defaults = rank.settings.spill,
          .memory_budget_bytes = memory_room().bytes / ranks_here / 2,
          .one_node = ranks_here == rank.hosts.size()};
}

}  // namespace

CoordinatingRank::CoordinatingRank(const Rank& rank, LossLog& losses)
    : store_(rank.transport, rank.segments, rank.node_links),
      coordinator_(rank.transport, store_, rank.settings),
      driver_(std::make_shared<CoordinatorDriver>(
          coordinator_, rank.settings, CoordinatorDriver::Waiting{rank.has_own_core, rank.wake_flag, rank.woken_by})) {
  if (rank.result_format != nullptr && rank.hosts.size() > 1) {
    coordinator_.spill_with(result_store_.emplace(spill_options(rank)));
  }
  if (rank.is_at_work) {
    coordinator_.ask_before_giving_up(
        [is_at_work = rank.is_at_work](WorkerId worker) { return is_at_work(worker.value); });
  }
  losses.watch(coordinator_, rank.hosts);
}

}  // namespace joblib_mpi
