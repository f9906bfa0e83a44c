#pragma once

#include <joblib_mpi/isolation.hpp>
#include <joblib_mpi/object_stats.hpp>

#include <mpi.h>

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace joblib_mpi {

/// This process's part in a group of MPI ranks: rank 0 runs the program and schedules tasks, the other ranks run them.
///
/// A process may have several sessions: one after another; one inside of `run` on other ranks of the process's choice,
/// such as MPI_COMM_SELF; and one for each thread, on different communicators. The last, and a session inside of a
/// task, need MPI_THREAD_MULTIPLE. "mpi" is then the session of the thread that makes a call.
///
/// While a session lives, SIGUSR1 does not end the workers, unless the program handles it: Slurm sends it to all ranks
/// some time before the time limit, and only rank 0 acts on it, see `ParallelOptions::checkpoint`.
class MpiSession {
 public:
  /// Initialises MPI with the arguments of `main`, which MPI_Init_thread may change (MPI 4.0, section 11.2.1), or
  /// joins MPI if the program has initialised it. All ranks of MPI_COMM_WORLD take part. Collective. Throws MpiError or
  /// VersionMismatch, on every rank.
  MpiSession(int& argc, char**& argv);

  /// The options of a session.
  struct Options {
    /// The place where workers run tasks, equal on all ranks. If unset, it comes from the environment variable
    /// JOBLIB_MPI_ISOLATION, "none" or "process", and is `none` by default.
    std::optional<Isolation> isolation;
  };
  /// Initialises MPI as the constructor without options does, with these options. Isolation::process forks, so that the
  /// session must be made before MPI_Init and before the program starts threads. Throws UsageError if this is asked for
  /// and MPI is initialised already.
  MpiSession(int& argc, char**& argv, Options options);

  /// Joins the MPI that the program has initialised. Collective over `communicator`, which the session only duplicates:
  /// the program still owns it and finalises MPI after the end of the session. Tasks run in the ranks; throws
  /// UsageError if JOBLIB_MPI_ISOLATION asks for a process, for MPI_COMM_NULL and an intercommunicator, and if MPI does
  /// not allow another session in this process.
  explicit MpiSession(MPI_Comm communicator);

  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  /// Ends the session, and finalises MPI if the session has initialised it. Collective. After MPI_Finalize it does
  /// nothing but say so.
  ~MpiSession();

  /// Returns the rank of this process in the session's communicator, from 0.
  [[nodiscard]] int rank() const;
  /// Returns the number of ranks, rank 0 included.
  [[nodiscard]] int size() const;
  /// Returns the numbers and sizes of the shared objects on rank 0 and of its node's memory for them. Throws UsageError
  /// on other ranks, and outside of the function that `run` calls.
  [[nodiscard]] ObjectStats object_stats() const;

  /// Calls `function` on rank 0, with "mpi" as the default backend. The other ranks run its tasks until it returns.
  /// Collective; may be called again, but not by `function`, where it throws UsageError.
  ///
  /// Returns the function's result, an exit status (0 for void), on every rank. If the function ends with
  /// CheckpointInterrupt, returns its exit status on every rank, for `main` to return.
  ///
  /// Rethrows any other exception of the function on rank 0. If the session has initialised MPI, the other ranks then
  /// return 1, so that only rank 0 reports the error; otherwise they throw SessionAborted with its text.
  template <class Function>
  int run(Function&& function) {
    using Result = std::invoke_result_t<Function>;
    static_assert(std::is_void_v<Result> || std::is_convertible_v<Result, int>,
                  "MpiSession::run passes on an exit status: return an int or nothing");
    if constexpr (std::is_void_v<Result>) {
      return run_function([&] {
        std::invoke(std::forward<Function>(function));
        return 0;
      });
    } else {
      return run_function([&] { return static_cast<int>(std::invoke(std::forward<Function>(function))); });
    }
  }

 private:
  int run_function(const std::function<int()>& function);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace joblib_mpi
