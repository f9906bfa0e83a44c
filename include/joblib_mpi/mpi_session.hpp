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

/// This process's part in a group of MPI ranks that work for each other: rank 0 leads, the others work.
///
/// The others live on after SIGUSR1 meanwhile, unless the program has a handler for it: Slurm sends it to all some time
/// before the limit, and rank 0 decides what becomes of it, see `ParallelOptions::checkpoint`.
class MpiSession {
 public:
  /// Starts MPI, or joins it if the program has called MPI_Init; all ranks of MPI_COMM_WORLD take part. The arguments
  /// are those of `main`. Collective. Throws MpiError and VersionMismatch, then on every rank.
  MpiSession(int& argc, char**& argv);

  struct Options {
    /// The same on every rank. If it is not set, the environment says: JOBLIB_MPI_ISOLATION=none, the default, or
    /// =process.
    std::optional<Isolation> isolation;
  };
  /// The same with options. With Isolation::process it has to come before MPI_Init and before there are threads, since
  /// it forks: otherwise UsageError.
  MpiSession(int& argc, char**& argv, Options options);

  /// Joins the MPI that the program has started. Collective over `communicator`, which is duplicated and not used
  /// otherwise; the program goes on owning it and MPI itself. Tasks run in the ranks: throws UsageError if the
  /// environment asks for isolation.
  explicit MpiSession(MPI_Comm communicator);

  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  /// Collective. Finalises MPI if the session started it.
  ~MpiSession();

  [[nodiscard]] int rank() const;
  [[nodiscard]] int size() const;
  /// What rank 0's node holds of shared objects. Throws UsageError except on rank 0 while `run` calls its function.
  [[nodiscard]] ObjectStats object_stats() const;

  /// Calls `function` on rank 0, where "mpi" is the default backend meanwhile. The other ranks work for it until it
  /// returns. Collective; may be called again.
  ///
  /// Returns what `function` returns (0 for void) on every rank: an exit status; send other values yourself.
  ///
  /// If it ends with CheckpointInterrupt, `run` returns the status of that on every rank, to be passed on by `main`.
  ///
  /// If it throws something else, rank 0 throws that. The others return 1 where the session started MPI, so that only
  /// rank 0 reports it; in a program that started MPI itself they throw SessionAborted with its text, and the program
  /// decides.
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
