#include "session/mpi_rank.hpp"

#include "core/deadline_guard.hpp"
#include "core/open_files.hpp"
#include "mpi/mpi_failures.hpp"
#include "mpi/mpi_node.hpp"
#include "segments/memory_room.hpp"
#include "session/file_formats.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

namespace joblib_mpi {
namespace {

/// The time that the launcher gets to forward the last line. Chosen: without it, one job of three on four hosts that
/// shared two cores ended before its last line was printed.
constexpr std::chrono::seconds time_for_last_line{1};

}  // namespace

MpiRank::MpiRank(const MpiWorld::Options& options, const OwnWakePage& wake_page, bool has_executor_processes)
    : world_(prepared(options)), wake_page_(wake_page), transport_(start_transport(has_executor_processes)) {
  for (const auto& [rank, page] : other_wake_pages_) transport_.wake_with(rank, page.flag());
}

MpiRank::MpiRank(MPI_Comm communicator, const MpiWorld::Options& options, const OwnWakePage& wake_page,
                 bool has_executor_processes)
    : world_(communicator, prepared(options)),
      wake_page_(wake_page),
      transport_(start_transport(has_executor_processes)) {
  for (const auto& [rank, page] : other_wake_pages_) transport_.wake_with(rank, page.flag());
}

bool MpiRank::is_woken() const {
  if (world_.rank() != 0) return other_wake_pages_.contains(0);
  return other_wake_pages_.size() + 1 == static_cast<std::size_t>(world_.size());
}

Rank MpiRank::parts() noexcept {
  return {.settings = settings_,
          .transport = transport_,
          .segments = memory_.segments(),
          .node_links = links_,
          .hosts = world_.hosts(),
          .has_own_core = world_.has_own_core(),
          .wake_flag = wake_page_.flag(),
          .woken_by = is_woken() ? IdleWaiter::WokenBy::all_ranks : IdleWaiter::WokenBy::none,
          .result_format = &session_result_format(),
          .is_at_work = [this](int rank) { return world_.is_at_work(rank); },
          .room = [] { return memory_room().bytes; }};
}

std::string MpiRank::names_of(const std::vector<ServingWorker>& workers) const {
  std::string names;
  for (const auto& [worker, task] : workers) {
    names += (names.empty() ? "" : ", ") + std::to_string(worker.value) + " on " +
             world_.hosts()[static_cast<std::size_t>(worker.value)] + (task.empty() ? "" : " (running " + task + ")");
  }
  return names;
}

void MpiRank::abort_with(const std::vector<ServingWorker>& stuck, int status, const std::string& failure) const {
  const int failed_status = status == 0 ? 1 : status;
  const std::string reason = failure.empty() ? "" : "; rank 0 had thrown: " + failure;
  std::fprintf(stderr,
               "joblib_mpi: rank %s did not leave within %g s; the job ends through MPI_Abort with "
               "status %d (JOBLIB_MPI_SHUTDOWN_SECONDS changes the wait)%s\n",
               names_of(stuck).c_str(), settings_.shutdown_seconds, failed_status, reason.c_str());
  std::fflush(nullptr);
  world_.abort(failed_status);
}

void MpiRank::announce_wait_for(const std::vector<ServingWorker>& stuck) const {
  std::fprintf(stderr,
               "joblib_mpi: rank %s did not leave within %g s (JOBLIB_MPI_SHUTDOWN_SECONDS); the job waits for it, "
               "because the program goes on after its session; to limit the time of tasks, set task_timeout_seconds\n",
               names_of(stuck).c_str(), settings_.shutdown_seconds);
  std::fflush(stderr);
}

void MpiRank::end_as_coordinator(int status) {
  wake_page_.session_end().tell(status);
  world_.set_exit_status(status);
  (void)transport_.take_lost_ranks();  // a rank may have died after it had left
  for (const int rank : transport_.lost_ranks()) losses_.add(WorkerId{rank});
  const std::vector<LostWorker>& lost_workers = losses_.lost();
  if (lost_workers.empty()) return;
  world_.leave_without_lost_ranks();

  std::string names;
  for (const LostWorker& lost : lost_workers) {
    names += (names.empty() ? "rank " : ", rank ") + std::to_string(lost.worker.value) + " on " +
             world_.hosts()[static_cast<std::size_t>(lost.worker.value)] +
             (lost.reason.empty() ? "" : " (" + lost.reason + ")");
  }
  std::string advice = mpi_tells_of_dead_ranks() ? "" : "; the launcher may report the status of the lost rank";
  if (const auto hosts = hosts_without_ranks(lost_workers, world_.hosts()); !hosts.empty()) {
    advice += "; if mpirun now waits for " + hosts.front() + ", which it cannot reach, two interrupts (Ctrl-C) end it";
  }
  std::fflush(nullptr);  // this line is to be the last
  std::fprintf(stderr, "joblib_mpi: the program %s (status %d)%s %s %s lost%s\n", status == 0 ? "succeeded" : "failed",
               status, status == 0 ? " although" : ";", names.c_str(), lost_workers.size() == 1 ? "was" : "were",
               advice.c_str());
  std::fflush(stderr);
  if (!mpi_tells_of_dead_ranks() && world_.owns_mpi()) {
    // The line and the end of the job travel between nodes on different ways, and the end can overtake it.
    std::this_thread::sleep_for(time_for_last_line);
    world_.abort(status);
  }
}

void MpiRank::end_as_worker(int status, bool ranks_lost) {
  wake_page_.session_end().tell(status);
  world_.set_exit_status(status);
  (void)transport_.take_lost_ranks();
  if (!ranks_lost && transport_.lost_ranks().empty()) return;
  world_.leave_without_lost_ranks();
  if (mpi_tells_of_dead_ranks() || !world_.owns_mpi()) return;
  // Rank 0 ends the job. Open MPI 5 without ULFM ends rank 0 if another rank has closed its connection before.
  std::this_thread::sleep_for(std::chrono::duration<double>(settings_.shutdown_seconds) + MpiWorld::time_for_launcher);
}

Worker::CoordinatorLoss MpiRank::ending_without_coordinator() const {
  return {[this] { return world_.rank_0_has_ended(); }, [this] { return world_.rank_0_is_running(); },
          [this](const std::string& reason) {
            world_.wait_for_turn_to_abort();
            std::fprintf(stderr, "joblib_mpi: rank 0 on %s was lost (%s); rank %d ends the job\n",
                         world_.hosts().front().c_str(), reason.c_str(), world_.rank());
            std::fflush(nullptr);
            world_.abort(1);
          },
          [this]() -> std::optional<int> {
            for (const auto& [rank, page] : other_wake_pages_) {
              if (const auto status = page.session_end().status()) return status;
            }
            return std::nullopt;
          }};
}

MpiWorld::Options MpiRank::prepared(MpiWorld::Options options) const {
  raise_open_file_limit();
  options.start_seconds = settings_.start_seconds;
  return options;
}

MpiTransport MpiRank::start_transport(bool has_executor_processes) {
  if (has_executor_processes) memory_.messages().share();
  const DeadlineGuard guard(
      {.seconds = settings_.start_seconds, .operation = this_process() + ": connecting the ranks of each node"});
  NodeMeeting meeting = meet_node(world_.communicator());
  other_wake_pages_ = exchange_wake_pages(meeting, world_.rank(), wake_page_);
  for (Descriptor& member : meeting.members) {
    links_.members.push_back(std::make_unique<NodeLink>(std::move(member), memory_.segments()));
  }
  if (meeting.head.open()) links_.head = std::make_unique<NodeLink>(std::move(meeting.head), memory_.segments());
  return MpiTransport(world_.communicator(), meeting.heads, settings_.broadcast_chunk_bytes, memory_.messages(),
                      settings_.message_piece_bytes);
}

}  // namespace joblib_mpi
