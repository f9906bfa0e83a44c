#include "session/rank_parts.hpp"

#include "core/deadline_guard.hpp"
#include "mpi/mpi_failures.hpp"
#include "mpi/mpi_node.hpp"
#include "segments/memory_room.hpp"
#include "spill/hdf5_result_format.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

namespace joblib_mpi {
namespace {

/// Chosen: without it, one job of three on four hosts that shared two cores ended before its last line was there.
constexpr std::chrono::seconds time_for_last_line{1};

}  // namespace

void RankParts::abort_with(const std::vector<ServingWorker>& stuck, int status) const {
  std::string names;
  for (const auto& [worker, task] : stuck) {
    names += (names.empty() ? "" : ", ") + std::to_string(worker.value) + " on " +
             world.hosts()[static_cast<std::size_t>(worker.value)] + (task.empty() ? "" : " (running " + task + ")");
  }
  std::fprintf(stderr,
               "joblib_mpi: rank %s did not leave within %g s; the job ends through MPI_Abort with "
               "status %d (JOBLIB_MPI_SHUTDOWN_SECONDS changes the wait)\n",
               names.c_str(), settings.shutdown_seconds, status);
  std::fflush(nullptr);
  world.abort(status);
}

void RankParts::end_as_leader(int status) {
  world.set_exit_status(status);
  (void)transport.take_lost_ranks();  // for the death of one that had left already
  for (const int rank : transport.lost_ranks()) {
    if (std::ranges::find(lost_, WorkerId{rank}, &LostWorker::worker) == lost_.end()) {
      lost_.push_back({WorkerId{rank}, "", 0});
    }
  }
  if (lost_.empty()) return;
  world.leave_without_lost_ranks();

  std::string names;
  for (const LostWorker& lost : lost_) {
    names += (names.empty() ? "rank " : ", rank ") + std::to_string(lost.worker.value) + " on " +
             world.hosts()[static_cast<std::size_t>(lost.worker.value)] +
             (lost.reason.empty() ? "" : " (" + lost.reason + ")");
  }
  std::string advice = mpi_tells_of_dead_ranks() ? "" : "; the launcher may report the status of the lost rank";
  if (const auto hosts = hosts_without_ranks(lost_, world.hosts()); !hosts.empty()) {
    advice += "; if mpirun now waits for " + hosts.front() + ", which it cannot reach, two interrupts (Ctrl-C) end it";
  }
  std::fflush(nullptr);  // everything else is to stand before this line
  std::fprintf(stderr, "joblib_mpi: the program %s (status %d)%s %s %s lost%s\n", status == 0 ? "succeeded" : "failed",
               status, status == 0 ? " although" : ";", names.c_str(), lost_.size() == 1 ? "was" : "were",
               advice.c_str());
  std::fflush(stderr);
  if (!mpi_tells_of_dead_ranks() && world.owns_mpi()) {
    // The line goes from node to node on another way than the end of the job, which overtakes it.
    std::this_thread::sleep_for(time_for_last_line);
    world.abort(status);
  }
}

void RankParts::end_as_worker(int status, bool ranks_lost) {
  world.set_exit_status(status);
  (void)transport.take_lost_ranks();
  if (!ranks_lost && transport.lost_ranks().empty()) return;
  world.leave_without_lost_ranks();
  if (mpi_tells_of_dead_ranks() || !world.owns_mpi()) return;
  // Rank 0 ends the job. Open MPI 5 without ULFM ends rank 0 if another one has closed its connection before.
  std::this_thread::sleep_for(std::chrono::duration<double>(settings.shutdown_seconds) + MpiWorld::time_for_launcher);
}

void RankParts::watch_leader(Worker& worker) const {
  worker.on_leader_loss({[this] { return world.rank_0_has_ended(); },
                         [this](const std::string& reason) {
                           world.wait_for_turn_to_abort();
                           std::fprintf(stderr, "joblib_mpi: rank 0 on %s was lost (%s); rank %d ends the job\n",
                                        world.hosts().front().c_str(), reason.c_str(), world.rank());
                           std::fflush(nullptr);
                           world.abort(1);
                         }});
}

MpiWorld::Options RankParts::timed(MpiWorld::Options options) const {
  options.start_seconds = settings.start_seconds;
  return options;
}

MpiTransport RankParts::start_transport(SegmentPool& segments, ReceiveMemory& memory) {
  const DeadlineGuard guard(
      {.seconds = settings.start_seconds, .operation = this_process() + ": the ranks' meeting at the start"});
  NodeMeeting meeting = meet_node(world.communicator());
  for (Descriptor& member : meeting.members) {
    links.members.push_back(std::make_unique<NodeLink>(std::move(member), segments));
  }
  if (meeting.leader.open()) links.leader = std::make_unique<NodeLink>(std::move(meeting.leader), segments);
  return MpiTransport(world.communicator(), meeting.leaders, settings.broadcast_chunk_bytes, memory);
}

std::unique_ptr<SpillDesk> RankParts::make_spill_desk(Coordinator& coordinator) const {
  if (world.size() == 1) return nullptr;
  const auto& hosts = world.hosts();
  const auto ranks_here = static_cast<std::uint64_t>(std::ranges::count(hosts, hosts.front()));
  const std::uint64_t share = memory_room().bytes / ranks_here;
  auto desk = std::make_unique<SpillDesk>(SpillDesk::Options{.format = &result_format(),
                                                             .defaults = settings.spill,
                                                             .memory_budget_bytes = share / 2,
                                                             .one_node = ranks_here == hosts.size()});
  coordinator.spill_with(*desk);
  return desk;
}

void RankParts::watch_losses(Coordinator& coordinator) {
  for (const LostWorker& lost : lost_) coordinator.lose(lost.worker, lost.reason);  // in a run before
  coordinator.on_worker_lost([this](const LostWorker& lost) {
    std::fprintf(stderr, "%s\n", warning_about(lost, world.hosts()).c_str());
    if (lost.is_gone) lost_.push_back(lost);
  });
}

}  // namespace joblib_mpi
