#pragma once

#include "backends/mpi_backend.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "executor/in_process_executor.hpp"
#include "executor/registered_function_runner.hpp"
#include "spill/spill_desk.hpp"
#include "store/node_store.hpp"
#include "transport/loopback_transport.hpp"
#include "worker/stand_in.hpp"
#include "worker/worker.hpp"
#include <joblib_mpi/backend_registry.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

/// What MpiSession::run makes of MPI ranks, made of threads: rank 0 is the test, where "mpi" is the default backend as
/// long as this lives. Worker `k` is rank k on host "host<k>".
class LoopbackCluster {
 public:
  /// Large results go through files of this format, if there is one.
  explicit LoopbackCluster(int workers, Settings settings = {}, const ResultFormat* format = nullptr)
      : settings_(std::move(settings)), format_(format), transports_(LoopbackTransport::make_cluster(workers + 1)) {
    MpiBackend::Ranks ranks{{}, true, std::this_thread::get_id()};
    for (int rank = 0; rank <= workers; ++rank) ranks.hosts.push_back("host" + std::to_string(rank));
    backend_ = std::make_shared<MpiBackend>(driver_, ranks);
    register_backend("mpi", backend_);
    if (format_ != nullptr) {
      desk_.emplace(SpillDesk::Options{format_, settings_.spill, std::uint64_t{1} << 40});
      coordinator_.spill_with(*desk_);
    }
    for (int rank = 1; rank <= workers; ++rank) {
      threads_.emplace_back([this, rank] { serve(*transports_[static_cast<std::size_t>(rank)]); });
    }
  }
  LoopbackCluster(const LoopbackCluster&) = delete;
  LoopbackCluster& operator=(const LoopbackCluster&) = delete;
  ~LoopbackCluster() {
    unregister_backend("mpi");
    backend_->disconnect();
    while (!driver_.stop_workers({0, ""}, 1.0).empty()) {
    }
    // Workers that were given up are never told to leave.
    for (auto& transport : transports_) transport->die(LoopbackTransport::Death::silent);
    threads_.clear();  // joins
  }

  [[nodiscard]] CoordinatorDriver& driver() { return driver_; }
  /// Safe to use while no other thread drives.
  [[nodiscard]] Coordinator& coordinator() { return coordinator_; }
  /// If it was given a format.
  [[nodiscard]] SpillDesk& spill_desk() { return *desk_; }
  /// The transport of a rank, to let it die.
  [[nodiscard]] LoopbackTransport& transport(int rank) { return *transports_.at(static_cast<std::size_t>(rank)); }
  /// Of the worker whose task calls this.
  [[nodiscard]] static int rank_of_this_thread() { return rank_of_thread; }
  [[nodiscard]] int a_living_rank() const { return coordinator_.serving_workers().at(0).worker.value; }
  /// Drives until no task is under way.
  void drain() {
    while (coordinator_.unfinished_tasks() > 0) driver_.drive();
  }

 private:
  void serve(LoopbackTransport& transport) const {
    rank_of_thread = transport.rank();
    SegmentPool segments;
    NodeLinks links;
    NodeStore store(transport, segments, links);
    RegisteredFunctionRunner runner;
    std::mutex agent;
    InProcessExecutor executor(runner, &agent);
    if (format_ != nullptr) executor.spill_with(*format_);
    IdleWaiter waiter(settings_, false);
    Worker worker(transport, store, executor, waiter, settings_);
    const std::lock_guard own(agent);
    const StandIn stand_in(worker, agent, settings_);
    try {
      worker.serve();
    } catch (const LoopbackRankDied&) {
    }
  }

  static inline thread_local int rank_of_thread = 0;

  Settings settings_;
  const ResultFormat* format_;
  std::vector<std::unique_ptr<LoopbackTransport>> transports_;
  SegmentPool segments_;
  NodeLinks links_;
  NodeStore store_{*transports_.front(), segments_, links_};
  Coordinator coordinator_{*transports_.front(), store_, settings_};
  std::optional<SpillDesk> desk_;
  CoordinatorDriver driver_{coordinator_, settings_, false};
  std::shared_ptr<MpiBackend> backend_;
  std::vector<std::jthread> threads_;
};

}  // namespace joblib_mpi::test
