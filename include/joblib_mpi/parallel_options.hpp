#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace joblib_mpi {

/// Options of a `Parallel` object or, given to `parallel_config`, of all calls in a scope. An unset option comes from
/// the innermost `parallel_config` that sets it, and otherwise has the default named here. Names and meaning are those
/// of `joblib.Parallel` where joblib has the option.
struct ParallelOptions {
  /// The number of tasks that run at a time: -1 means all workers, -2 all but one. 0 is refused with UsageError, as in
  /// joblib. Default: that of the backend, -1 for "mpi" and "threading".
  std::optional<int> n_jobs = {};
  /// The name of the backend: "mpi", "threading", "sequential", or a name given to `register_backend`. Default: "mpi"
  /// while a session runs, otherwise "threading"; "sequential" inside a task.
  std::optional<std::string> backend = {};
  /// The amount of progress output on stderr: 0 prints nothing, 1 to 9 a line now and then, 10 to 49 one each second,
  /// 50 and above one after each task. Default: 0.
  std::optional<int> verbose = {};
  /// The number of tasks that are taken from the range ahead of their results, at least 1. Default: 64 for each job,
  /// but joblib's 2 while their arguments take more than 64 MB.
  std::optional<std::size_t> pre_dispatch = {};
  /// The longest wait for the next result, in seconds and above 0, after which the call ends with TimeoutError.
  /// Default: no limit.
  std::optional<double> timeout_seconds = {};
  /// The number of further attempts after one that timed out or was lost with its executor or rank. Default: 2.
  std::optional<unsigned> retries = {};
  /// Retries tasks that throw, too. The backends "threading" and "sequential" do so only for functions that take their
  /// arguments by reference or as plain bytes, since the first attempt consumes other arguments. Default: false.
  std::optional<bool> retry_exceptions = {};
  /// The time limit for each attempt of a task, in seconds, greater than 0; if the last attempt exceeds it, the task
  /// fails with TaskTimeoutError. A task that runs in the rank itself can only be ended by giving the rank up. Not
  /// enforced by "threading" and "sequential". Default: no limit.
  std::optional<double> task_timeout_seconds = {};
  /// The memory limit of an executor process, in bytes, above 0. Not enforced where tasks run in the rank itself.
  /// Default: no limit.
  std::optional<std::uint64_t> memory_limit_bytes = {};
  /// A file that keeps the results of finished tasks, so that the restarted program computes only what is missing.
  /// Works with every backend, on rank 0 inside MpiSession::run. Calls are numbered as they start and their tasks in
  /// the order of the range: a stored result is used for a task with the same numbers, function and arguments in a
  /// program of the same build; anything else in the file is refused with CheckpointError. The file of a
  /// `parallel_config` serves all calls in its scope whose `Parallel` has no checkpoint, including those in nested
  /// scopes. Default: none.
  std::optional<std::filesystem::path> checkpoint = {};
  /// The size above which a result goes to a file instead of the memory of rank 0, in bytes. Default:
  /// JOBLIB_MPI_SPILL_THRESHOLD, or 64 MB.
  std::optional<std::uint64_t> spill_threshold_bytes = {};
  /// The memory of rank 0 that results may take, in bytes; once it is used up all but small results go to files.
  /// Default: JOBLIB_MPI_MEMORY_BUDGET, or half of rank 0's share of its node.
  std::optional<std::uint64_t> memory_budget_bytes = {};
  /// The directory for these files, visible to all ranks; SpillError if it cannot be used. Default:
  /// JOBLIB_MPI_SPILL_DIR, TMPDIR, /tmp or /var/tmp, or the working directory if there are several nodes.
  std::optional<std::string> spill_dir = {};
  /// Keeps the files after the call, with an `index.h5` that links them as `result/<index>`. Default:
  /// JOBLIB_MPI_KEEP_SPILL, or false.
  std::optional<bool> keep_spill = {};
  /// The compression of these files: "none", "gzip", "gzip:6" or another filter that HDF5 finds. Compressed results are
  /// read into memory. Default: JOBLIB_MPI_SPILL_COMPRESSION, or "none".
  std::optional<std::string> spill_compression = {};
};

}  // namespace joblib_mpi
