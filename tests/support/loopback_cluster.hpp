#pragma once

#include "backends/mpi_backend.hpp"
#include "session/coordinating_rank.hpp"
#include "session/serving_rank.hpp"
#include "support/loopback_transport.hpp"
#include <joblib_mpi/backend.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

/// A cluster of threads, composed as MpiSession::run composes MPI ranks: rank 0 is the test, where "mpi" is the default
/// backend during the life of this object. Worker `k` is rank k on host "host<k>", a separate node.
class LoopbackCluster {
 public:
  /// Large results go through files of the given format, if there is one.
  explicit LoopbackCluster(int workers, Settings settings = {}, const ResultFormat* format = nullptr)
      : settings_(with_a_memory_budget(std::move(settings))),
        format_(format),
        hosts_(names_of_hosts(workers + 1)),
        transports_(LoopbackTransport::make_cluster(workers + 1)) {
    coordinating_.emplace(rank_on(*transports_.front(), memory_, links_, wake_flag_), losses_);
    backend_ = std::make_shared<MpiBackend>(driver(), MpiBackend::Ranks{hosts_, true, std::this_thread::get_id()});
    register_backend("mpi", backend_);
    for (int rank = 1; rank <= workers; ++rank) {
      threads_.emplace_back([this, rank] { serve(*transports_[static_cast<std::size_t>(rank)]); });
    }
  }
  LoopbackCluster(const LoopbackCluster&) = delete;
  LoopbackCluster& operator=(const LoopbackCluster&) = delete;
  ~LoopbackCluster() {
    unregister_backend("mpi");
    backend_->disconnect();
    while (!driver().stop_workers({0, ""}, 1.0).empty()) {
    }
    // Workers that were given up are never told to leave.
    for (auto& transport : transports_) transport->die(LoopbackTransport::Death::silent);
    threads_.clear();  // joins
  }

  [[nodiscard]] CoordinatorDriver& driver() { return *coordinating_->driver(); }
  /// Returns the coordinator, which may be used while no other thread drives.
  [[nodiscard]] Coordinator& coordinator() { return coordinating_->coordinator(); }
  /// Returns the coordinator's result store; the cluster must have a result format.
  [[nodiscard]] ResultStore& result_store() { return *coordinating_->result_store(); }
  /// Returns the transport of a rank, with which a test lets the rank die.
  [[nodiscard]] LoopbackTransport& transport(int rank) { return *transports_.at(static_cast<std::size_t>(rank)); }
  /// Returns the rank of the worker whose task calls this.
  [[nodiscard]] static int rank_of_this_thread() { return rank_of_thread; }
  [[nodiscard]] int a_living_rank() { return coordinator().serving_workers().at(0).worker.value; }
  /// Drives the coordinator until no task is in progress.
  void drain() {
    while (coordinator().unfinished_tasks() > 0) driver().drive();
  }

 private:
  /// Returns the settings with a budget that does not depend on the machine's free memory, unless the test has set one.
  static Settings with_a_memory_budget(Settings settings) {
    if (!settings.spill.memory_budget_bytes) settings.spill.memory_budget_bytes = std::uint64_t{1} << 40;
    return settings;
  }

  static std::vector<std::string> names_of_hosts(int ranks) {
    std::vector<std::string> names;
    for (int rank = 0; rank < ranks; ++rank) names.push_back("host" + std::to_string(rank));
    return names;
  }

  [[nodiscard]] Rank rank_on(LoopbackTransport& transport, RankMemory& memory, NodeLinks& links,
                             WakeFlag& wake_flag) const {
    return {.settings = settings_,
            .transport = transport,
            .segments = memory.segments(),
            .node_links = links,
            .hosts = hosts_,
            .has_own_core = false,
            .wake_flag = wake_flag,
            .result_format = format_};
  }

  void serve(LoopbackTransport& transport) const {
    rank_of_thread = transport.rank();
    RankMemory memory(settings_);
    NodeLinks links;
    WakeFlag wake_flag;
    ServingRank serving(rank_on(transport, memory, links, wake_flag), ServingRank::ServingThread{.has_stand_in = true});
    try {
      serving.serve();
    } catch (const LoopbackRankDied&) {
    }
  }

  static inline thread_local int rank_of_thread = 0;

  Settings settings_;
  const ResultFormat* format_;
  std::vector<std::string> hosts_;
  std::vector<std::unique_ptr<LoopbackTransport>> transports_;
  RankMemory memory_{settings_};
  NodeLinks links_;
  WakeFlag wake_flag_;
  LossLog losses_;
  std::optional<CoordinatingRank> coordinating_;
  std::shared_ptr<MpiBackend> backend_;
  std::vector<std::jthread> threads_;
};

}  // namespace joblib_mpi::test
