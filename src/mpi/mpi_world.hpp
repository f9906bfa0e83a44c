#pragma once

#include "mpi/mpi_lifetime.hpp"

#include <boost/mpi/communicator.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// MPI as this process finds or starts it, and a communicator of our own on it.
///
/// Creating one is collective over the communicator's ranks. It compares what the ranks run, so that a different
/// program or version is refused here, on every rank, with VersionMismatch. Nothing here waits without a limit for a
/// rank that does not start or dies: it throws MpiError or, inside an MPI call that does not return, ends the process
/// with a line that says which.
class MpiWorld {
 public:
  struct Options {
    /// What must be the same on all ranks, in words for people: versions, the program. At most 400 bytes count.
    std::string identity;
    /// Threads of one rank that want a core at the same time.
    int busy_threads = 1;
    /// Whether other threads than the creating one will make MPI calls, or the program may make its own meanwhile.
    bool needs_multiple = false;
    /// How long ranks wait for each other at the start, and at the end once the session is over.
    double start_seconds = 120;
    /// The arguments of `main` for MPI_Init_thread; null if the caller does not have them.
    int* argc = nullptr;
    char*** argv = nullptr;
  };

  /// Initialises MPI, or joins it if the program has; all ranks of MPI_COMM_WORLD take part. Refuses ranks that each
  /// have an MPI_COMM_WORLD of their own though they were started together.
  explicit MpiWorld(const Options& options);
  /// Joins the MPI that the program has initialised; works on a duplicate of `communicator`.
  MpiWorld(MPI_Comm communicator, const Options& options);

  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;
  /// Collective, except after `leave_without_lost_ranks`: frees the communicator, and finalises MPI if this object has
  /// initialised it.
  ~MpiWorld();

  [[nodiscard]] MPI_Comm communicator() const { return communicator_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return static_cast<int>(hosts_.size()); }
  /// Processor names, by rank.
  [[nodiscard]] const std::vector<std::string>& hosts() const { return hosts_; }
  /// Whether the node's cores suffice for the busy threads of all its ranks.
  [[nodiscard]] bool has_own_core() const { return has_own_core_; }
  /// Whether this object has initialised MPI and will finalise it.
  [[nodiscard]] bool owns_mpi() const { return lifetime_ != nullptr; }
  /// Whether any thread may make MPI calls, one at a time.
  [[nodiscard]] bool any_thread_may_call() const;

  /// With which status this process ends if the others do not leave together with it.
  void set_exit_status(int status) noexcept;
  /// A rank is dead: nothing that this object still does may wait for all ranks.
  void leave_without_lost_ranks() noexcept { incomplete_ = true; }

  /// To be called when rank 0 has ended, before `abort`. A launcher that ends the job by itself does so with rank 0's
  /// own status (mpirun 4.1 takes a second). If it does not, one rank after the other tries: when three did at a time,
  /// mpirun of Open MPI 5.0.7 hung in 4 of 120 jobs on a busy machine; one by one in none of 240.
  void wait_for_turn_to_abort() const;
  /// Chosen, not measured.
  static constexpr std::chrono::seconds time_for_launcher{3};

  /// Whether rank 0 is a process of this machine that has ended. False if it is elsewhere.
  [[nodiscard]] bool rank_0_has_ended() const;

  /// Ends all ranks of the job at once.
  [[noreturn]] void abort(int status) const;

 private:
  void join(MPI_Comm communicator, const Options& options);
  void duplicate(MPI_Comm communicator);
  void look_at_cores(int busy_threads);
  /// Freeing it is collective, which cannot be with a rank that is gone.
  void keep_communicator() const;
  /// Keeps ranks that are done out of MPI_Finalize until all are: if rank 0 has to abort the job while others are in
  /// it, mpirun of Open MPI 4.1 may hang in its own clean-up or crash.
  void wait_for_all() noexcept;
  [[noreturn]] void abort_with(const std::string& reason) const;

  double limit_seconds_;
  std::unique_ptr<MpiLifetime> lifetime_;  // if MPI is ours
  boost::mpi::communicator communicator_;
  int rank_ = 0;
  int exit_status_ = 1;
  std::vector<std::string> hosts_;
  std::string rank_0_here_;  // its process, if it is one of this machine
  bool has_own_core_ = false;
  bool incomplete_ = false;
};

}  // namespace joblib_mpi
