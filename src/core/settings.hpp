#pragma once

#include <joblib_mpi/detail/spill_options.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace joblib_mpi {

/// Everything that the environment can change, read once per session. Rank 0's and the workers' may differ.
struct Settings {
  /// JOBLIB_MPI_TASKS_PER_MESSAGE: small tasks that may share a message to one worker, and results one back.
  std::size_t tasks_per_message = 16;
  /// JOBLIB_MPI_MAX_CREDITS: tasks that one worker may hold, the running one included. Tasks that take longer than
  /// `prefetch_seconds` are never held ahead.
  std::size_t max_credits = 32;
  /// JOBLIB_MPI_PREFETCH_SECONDS: work that a worker holds beside the running task, by the measured time per task.
  /// Far more than a round trip to rank 0, so that a worker need not wait, and little balance to lose at the end.
  double prefetch_seconds = 0.5e-3;
  /// JOBLIB_MPI_START_SECONDS: how long ranks wait for each other at the start, rank 0 for a worker's first sign, and
  /// all for each other's end after the session. Chosen, not measured: thousands of ranks that import Python from a
  /// shared file system take minutes.
  double start_seconds = 120.0;
  /// JOBLIB_MPI_SHUTDOWN_SECONDS: how long rank 0 waits at the end for workers that still run a task.
  double shutdown_seconds = 5.0;
  /// JOBLIB_MPI_HEARTBEAT_SECONDS: a worker that leaves rank 0 without an answer for so long is given up; 0 is never.
  /// Chosen, not measured: longer than a busy node or network leaves a process waiting.
  double heartbeat_seconds = 10.0;
  /// JOBLIB_MPI_GRACE_SECONDS: what a task may take beyond its time limit before more is done about it than to ask.
  double grace_seconds = 0.5;
  /// JOBLIB_MPI_SPIN_SECONDS: how long a rank with a core of its own polls before it yields and then sleeps.
  double spin_seconds = 200e-6;
  /// JOBLIB_MPI_MAX_SLEEP_SECONDS: the longest pause of an idle rank between two looks at its messages.
  double max_sleep_seconds = 1e-3;
  /// JOBLIB_MPI_BROADCAST_CHUNK_BYTES: the pieces in which a broadcast goes from node to node; rank 0's counts. Each
  /// node of the chain adds the time of one to that of the array.
  std::size_t broadcast_chunk_bytes = std::size_t{1} << 20;
  /// JOBLIB_MPI_CHECKPOINT_SECONDS: the longest that a result waits before it is written to a checkpoint.
  double checkpoint_seconds = 2.0;
  /// JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS: how long tasks that run may go on after SIGUSR1 or SIGTERM.
  double checkpoint_grace_seconds = 60.0;
  /// JOBLIB_MPI_REQUEUE_STATUS: the exit status that says "start me again": EX_TEMPFAIL of sysexits.h.
  int requeue_status = 75;
  /// JOBLIB_MPI_SPARE_BYTES: memory of a node that is kept when objects are freed, for those to come: its pages are
  /// there already, which is most of what a new object costs.
  std::size_t spare_bytes = std::size_t{512} << 20;
  /// JOBLIB_MPI_SHARED_FALLBACK, "file" or "error": whether an object for which a node has no memory left lies in a
  /// file of its TMPDIR, or is refused there.
  bool shared_fallback_to_file = true;
  /// JOBLIB_MPI_SPILL_THRESHOLD and JOBLIB_MPI_MEMORY_BUDGET in bytes, JOBLIB_MPI_SPILL_DIR, JOBLIB_MPI_KEEP_SPILL
  /// ("yes" or "no") and JOBLIB_MPI_SPILL_COMPRESSION: of calls that do not say. Rank 0's count.
  SpillOptions spill = {};
};

using EnvironmentLookup = std::function<std::optional<std::string>(const char* name)>;

/// Reads the settings. Throws UsageError that names the variable, its value and the allowed range.
[[nodiscard]] Settings settings_from(const EnvironmentLookup& lookup);

/// The same from this process's environment.
[[nodiscard]] Settings settings_from_environment();

}  // namespace joblib_mpi
