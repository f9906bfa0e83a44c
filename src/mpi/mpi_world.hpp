#pragma once

#include "core/broken_pipe_guard.hpp"
#include "core/process_watch.hpp"
#include "mpi/mpi_lifetime.hpp"

#include <boost/mpi/communicator.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The MPI of this process, found or initialised, and a communicator for the session's messages.
///
/// The constructors are collective over the communicator's ranks. They compare what the ranks run and refuse a
/// different program or version with VersionMismatch on every rank. No function waits without a limit for a rank that
/// does not start or dies: it throws MpiError or, inside an MPI call that does not return, prints a line that names the
/// call and ends the process. While an object with several ranks lives and MPI reports dead ranks, a message to a
/// rank that has just died does not end this process; see BrokenPipeGuard.
class MpiWorld {
 public:
  struct Options {
    /// The text that must be equal on all ranks: versions and the program. At most 400 bytes are compared.
    std::string identity;
    /// The number of threads of one rank that want a core at the same time.
    int busy_threads = 1;
    /// Is true if other threads than the creating one will make MPI calls, or if the program may make MPI calls at the
    /// same time as the session.
    bool needs_multiple = false;
    /// The time that ranks wait for each other at the start, and at the end once the session is over.
    double start_seconds = 120;
    /// The arguments of `main` for MPI_Init_thread; null if the caller does not have them.
    int* argc = nullptr;
    char*** argv = nullptr;
  };

  /// Initialises MPI, or joins it if the program has; all ranks of MPI_COMM_WORLD take part. Refuses processes that
  /// were started together but are each alone in their MPI_COMM_WORLD.
  explicit MpiWorld(const Options& options);
  /// Joins the MPI that the program has initialised and works on a duplicate of `communicator`.
  MpiWorld(MPI_Comm communicator, const Options& options);

  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;
  /// Frees the communicator, and finalises MPI if this object has initialised it. Collective, except after
  /// `leave_without_lost_ranks`.
  ~MpiWorld();

  [[nodiscard]] MPI_Comm communicator() const { return communicator_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return static_cast<int>(hosts_.size()); }
  /// Returns the processor names, by rank.
  [[nodiscard]] const std::vector<std::string>& hosts() const { return hosts_; }
  /// Returns whether the node has enough cores for the busy threads of all its ranks.
  [[nodiscard]] bool has_own_core() const { return has_own_core_; }
  /// Returns whether this object has initialised MPI and will finalise it.
  [[nodiscard]] bool owns_mpi() const { return lifetime_ != nullptr; }
  /// Returns whether any thread may make MPI calls, one at a time.
  [[nodiscard]] bool any_thread_may_call() const;

  /// Sets the status with which this process ends if the other ranks do not leave together with it.
  void set_exit_status(int status) noexcept;
  /// Notes that a rank is dead: from now on no function of this object waits for all ranks.
  void leave_without_lost_ranks() noexcept { incomplete_ = true; }

  /// Waits until it is this rank's turn to call `abort` after rank 0 has ended. A launcher that ends the job itself
  /// does so with rank 0's status (mpirun 4.1 takes a second). If it does not, the ranks try one after the other: when
  /// three tried at the same time, mpirun of Open MPI 5.0.7 hung in 4 of 120 jobs on a busy machine; one by one it hung
  /// in none of 240.
  void wait_for_turn_to_abort() const;
  /// The time that a launcher has to end the job itself. Chosen, not measured.
  static constexpr std::chrono::seconds time_for_launcher{3};

  /// Returns whether rank 0 is a process of this machine that has ended. Returns false if it is on another machine.
  [[nodiscard]] bool rank_0_has_ended() const;

  /// Returns whether rank 0 is a process of this machine that has not ended. Returns false if it is on another machine.
  [[nodiscard]] bool rank_0_is_running() const;

  /// Returns whether a rank is a process of this machine that is seen to work; see ActivityWatch.
  [[nodiscard]] bool is_at_work(int rank);

  /// Ends all ranks of the job at once with `status`.
  [[noreturn]] void abort(int status) const;

 private:
  void join(MPI_Comm communicator, const Options& options);
  void duplicate(MPI_Comm communicator);
  /// Compares notes with the ranks of this node: the cores that they have, and their processes.
  void look_at_node(int busy_threads);
  /// Keeps the communicator until the process ends: freeing it is collective, which is impossible after the loss of a
  /// rank.
  void keep_communicator() const;
  /// Keeps ranks that are done out of MPI_Finalize until all are: if rank 0 has to abort the job while others are in
  /// it, mpirun of Open MPI 4.1 may hang or crash in its clean-up.
  void wait_for_all() noexcept;
  [[noreturn]] void abort_with(const std::string& reason) const;

  double limit_seconds_;
  std::optional<BrokenPipeGuard> broken_pipe_guard_{std::in_place};  // of ranks that outlive others; outlives MPI
  std::unique_ptr<MpiLifetime> lifetime_;                            // null if the program owns MPI
  boost::mpi::communicator communicator_;
  int rank_ = 0;
  int exit_status_ = 1;
  std::vector<std::string> hosts_;
  std::string rank_0_here_;                              // rank 0's process if it is on this machine, otherwise empty
  std::unordered_map<int, std::string> processes_here_;  // of the ranks of this node
  ActivityWatch activity_;
  bool has_own_core_ = false;
  bool incomplete_ = false;
};

}  // namespace joblib_mpi
