#include "mpi/mpi_world.hpp"

#include "core/deadline_guard.hpp"
#include "core/process_watch.hpp"
#include "core/usable_cores.hpp"
#include "mpi/mpi_abandoned_memory.hpp"
#include "mpi/mpi_check.hpp"
#include "mpi/mpi_failures.hpp"
#include "mpi/mpi_introductions.hpp"
#include "mpi/mpi_lonely_start.hpp"
#include "mpi/mpi_start_fence.hpp"
#include <joblib_mpi/error.hpp>

#include <boost/mpi/environment.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sched.h>
#include <thread>
#include <utility>

namespace joblib_mpi {
namespace {

const char* name_of(boost::mpi::threading::level level) {
  switch (level) {
    case boost::mpi::threading::single:
      return "MPI_THREAD_SINGLE";
    case boost::mpi::threading::funneled:
      return "MPI_THREAD_FUNNELED";
    case boost::mpi::threading::serialized:
      return "MPI_THREAD_SERIALIZED";
    default:
      return "MPI_THREAD_MULTIPLE";
  }
}

/// A rank and its process, as `own_process` names it.
struct NamedRank {
  int rank;
  std::array<char, 60> process;
};

}  // namespace

MpiWorld::MpiWorld(const Options& options) : limit_seconds_(options.start_seconds) {
  if (boost::mpi::environment::finalized()) {
    throw MpiError(
        "MPI is already finalised and cannot be initialised a second time in a process; create the session before "
        "MPI_Finalize");
  }
  if (boost::mpi::environment::initialized()) {
    const auto level = boost::mpi::environment::thread_level();
    if (options.needs_multiple && level < boost::mpi::threading::multiple) {
      throw MpiError(
          std::string("MPI was initialised with ") + name_of(level) +
          ", but a thread of the session makes MPI calls at the same time as the program; initialise MPI with "
          "MPI_THREAD_MULTIPLE, or create the session first");
    }
  } else {
    const auto last_words = explain_failing_start();
    lifetime_ = std::make_unique<MpiLifetime>(limit_seconds_, options.argc, options.argv);
  }
  refuse_lonely_start();
  join(MPI_COMM_WORLD, options);
}

MpiWorld::MpiWorld(MPI_Comm communicator, const Options& options) : limit_seconds_(options.start_seconds) {
  if (!boost::mpi::environment::initialized() || boost::mpi::environment::finalized()) {
    throw MpiError("a session on a communicator needs MPI to be initialised and not yet finalised");
  }
  if (communicator == MPI_COMM_NULL) {
    throw UsageError("MPI_COMM_NULL has no ranks: create the session only on the ranks of its communicator");
  }
  int has_two_groups = 0;
  check_mpi(MPI_Comm_test_inter(communicator, &has_two_groups), "MPI_Comm_test_inter");
  if (has_two_groups != 0) {
    throw UsageError(
        "a session cannot work on an intercommunicator, which has two groups of ranks: merge them with "
        "MPI_Intercomm_merge, or give it the communicator of one group");
  }
  join(communicator, options);
}

MpiWorld::~MpiWorld() {
  if (lifetime_ && !incomplete_) wait_for_all();
  if (!incomplete_) return;
  keep_communicator();
  if (lifetime_) lifetime_->leave_unfinalised();
}

void MpiWorld::keep_communicator() const {
  abandon_to_mpi(std::make_shared<boost::mpi::communicator>(communicator_));
}

void MpiWorld::join(MPI_Comm communicator, const Options& options) {
  try {
    if (!lifetime_ && communicator == MPI_COMM_WORLD) {
      const DeadlineGuard guard({.seconds = limit_seconds_, .operation = this_process() + ": PMIx_Fence"});
      wait_for_ranks_in_program_init();
    }
    {
      const DeadlineGuard guard({.seconds = limit_seconds_, .operation = this_process() + ": MPI_Comm_dup"});
      duplicate(communicator);
    }
    RankDirectory directory =
        introduce_ranks(communicator_, boost::mpi::environment::processor_name(), options.identity, limit_seconds_);
    hosts_ = std::move(directory.hosts);
    // Without ULFM, Open MPI 4.1 never returns from MPI_Test after such a write: there it is better to end.
    if (size() == 1 || !mpi_tells_of_dead_ranks()) broken_pipe_guard_.reset();
    if (is_running(directory.rank_0_process)) rank_0_here_ = std::move(directory.rank_0_process);
    const DeadlineGuard guard({.seconds = limit_seconds_, .operation = this_process() + ": MPI_Comm_split_type"});
    look_at_node(options.busy_threads);
  } catch (const MpiError&) {
    // A rank is missing, and finalising would wait for it.
    if (lifetime_) lifetime_->leave_unfinalised();
    keep_communicator();
    throw;
  }
}

void MpiWorld::set_exit_status(int status) noexcept {
  exit_status_ = status;
  if (lifetime_) lifetime_->set_exit_status(status);
}

bool MpiWorld::any_thread_may_call() const {
  return boost::mpi::environment::thread_level() >= boost::mpi::threading::serialized;
}

bool MpiWorld::rank_0_has_ended() const {
  return !rank_0_here_.empty() && !is_running(rank_0_here_);
}

bool MpiWorld::rank_0_is_running() const {
  return !rank_0_here_.empty() && is_running(rank_0_here_);
}

bool MpiWorld::is_at_work(int rank) {
  const auto process = processes_here_.find(rank);
  return process != processes_here_.end() && activity_.is_at_work(process->second);
}

void MpiWorld::wait_for_turn_to_abort() const {
  constexpr int most_turns = 5;
  constexpr std::chrono::seconds turn{2};  // chosen
  std::this_thread::sleep_for(time_for_launcher + turn * std::clamp(rank_ - 1, 0, most_turns));
}

void MpiWorld::abort(int status) const {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::abort();  // not reached: MPI_Abort does not return
}

void MpiWorld::wait_for_all() noexcept {
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(communicator_, &request) != MPI_SUCCESS) return leave_without_lost_ranks();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(limit_seconds_);
  for (unsigned look = 1;; ++look) {
    int done = 0;
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return leave_without_lost_ranks();
    if (done != 0) return;
    if (!dead_ranks(communicator_).empty()) return leave_without_lost_ranks();
    // Rank 0's program may run for long before it ends its session; the other ranks have nothing else to do then.
    if (rank_ == 0 && std::chrono::steady_clock::now() > deadline) {
      abort_with("not all ranks have left within the " + std::to_string(static_cast<int>(limit_seconds_)) +
                 " s after the session (JOBLIB_MPI_START_SECONDS)");
    }
    if (look % 1024 == 0 && rank_0_has_ended()) {
      wait_for_turn_to_abort();
      abort_with("rank 0 has ended before");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void MpiWorld::abort_with(const std::string& reason) const {
  std::fprintf(stderr, "joblib_mpi: rank %d on %s: %s; the job ends through MPI_Abort with status %d\n", rank_,
               hosts_[static_cast<std::size_t>(rank_)].c_str(), reason.c_str(), exit_status_);
  std::fflush(nullptr);
  abort(exit_status_);
}

void MpiWorld::duplicate(MPI_Comm communicator) {
  communicator_ = boost::mpi::communicator(communicator, boost::mpi::comm_duplicate);
  check_mpi(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  rank_ = communicator_.rank();
}

void MpiWorld::look_at_node(int busy_threads) {
  MPI_Comm node_handle = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(communicator_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node_handle),
            "MPI_Comm_split_type");
  const boost::mpi::communicator node(node_handle, boost::mpi::comm_take_ownership);

  NamedRank self{rank_, {}};
  const std::string process = own_process();
  process.copy(self.process.data(), self.process.size() - 1);
  std::vector<NamedRank> ranks(static_cast<std::size_t>(node.size()));
  check_mpi(MPI_Allgather(&self, sizeof self, MPI_BYTE, ranks.data(), sizeof self, MPI_BYTE, node), "MPI_Allgather");
  for (const NamedRank& rank : ranks) processes_here_.emplace(rank.rank, rank.process.data());

  cpu_set_t own;
  CPU_ZERO(&own);
  if (sched_getaffinity(0, sizeof own, &own) != 0) return;  // more than 1024 cores: be polite and do not spin
  cpu_set_t all = own;
  check_mpi(MPI_Allreduce(&own, &all, sizeof own, MPI_UNSIGNED_CHAR, MPI_BOR, node), "MPI_Allreduce");
  const int busy_threads_here = node.size() * busy_threads;
  has_own_core_ =
      CPU_COUNT(&own) >= busy_threads && CPU_COUNT(&all) >= busy_threads_here && processor_quota() >= busy_threads_here;
}

}  // namespace joblib_mpi
