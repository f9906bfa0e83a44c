#pragma once

#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>

#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// MPI as this process finds or starts it, and a communicator of our own on it.
///
/// Creating one is collective over the communicator's ranks. It compares what the ranks run, so that a different
/// program or version is refused here, on every rank, with VersionMismatch.
class MpiWorld {
 public:
  struct Options {
    /// What must be the same on all ranks, in words for people: versions, the program. At most 400 bytes count.
    std::string identity;
    /// Threads of one rank that want a core at the same time.
    int busy_threads = 1;
    /// Whether other threads than the creating one will make MPI calls, or the program may make its own meanwhile.
    bool needs_multiple = false;
  };

  /// Initialises MPI, or joins it if the program has; all ranks of MPI_COMM_WORLD take part.
  explicit MpiWorld(const Options& options);
  /// Joins the MPI that the program has initialised; works on a duplicate of `communicator`.
  MpiWorld(MPI_Comm communicator, const Options& options);

  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;
  /// Collective: frees the communicator, and finalises MPI if this object has initialised it.
  ~MpiWorld();

  [[nodiscard]] MPI_Comm communicator() const { return communicator_; }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return static_cast<int>(hosts_.size()); }
  /// Processor names, by rank.
  [[nodiscard]] const std::vector<std::string>& hosts() const { return hosts_; }
  /// Whether the node's cores suffice for the busy threads of all its ranks.
  [[nodiscard]] bool has_own_core() const { return has_own_core_; }
  /// Whether this object has initialised MPI and will finalise it.
  [[nodiscard]] bool owns_mpi() const { return environment_ != nullptr; }
  /// Whether any thread may make MPI calls, one at a time.
  [[nodiscard]] bool any_thread_may_call() const;

  /// Ends all ranks of the job at once.
  [[noreturn]] void abort(int status) const;

 private:
  /// Keeps ranks that are done out of MPI_Finalize until all are: if rank 0 has to abort the job while others are in
  /// it, mpirun of Open MPI 4.1 may hang in its own clean-up or crash.
  void wait_for_all() const noexcept;
  void duplicate(MPI_Comm communicator);
  void introduce_ranks(const std::string& identity);
  void look_at_cores(int busy_threads);

  std::unique_ptr<boost::mpi::environment> environment_;  // if MPI is ours
  boost::mpi::communicator communicator_;
  int rank_ = 0;
  std::vector<std::string> hosts_;
  bool has_own_core_ = false;
};

}  // namespace joblib_mpi
