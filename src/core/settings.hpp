#pragma once

#include <joblib_mpi/detail/spill_options.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace joblib_mpi {

/// The environment variables that the C++ core reads once per session. Rank 0 and the workers may have different
/// values. Some variables are read elsewhere and have no member here, such as JOBLIB_MPI_ISOLATION and those of Python
/// alone; docs/settings.md lists all of them.
///
/// The comment of a member that starts with the variable's name and a colon becomes its row in docs/settings.md.
struct Settings {
  /// JOBLIB_MPI_TASKS_PER_MESSAGE: The number of small tasks that may share one message to a worker, and of results
  /// that may share one message back.
  std::size_t tasks_per_message = 16;
  /// JOBLIB_MPI_MAX_CREDITS: The number of tasks that one worker may hold, the running one included. Tasks that take
  /// longer than forty times `prefetch_seconds` are never sent ahead.
  std::size_t max_credits = 32;
  // Longer than a rank may sleep at both ends of a round trip; other workers get what a worker holds for too long.
  /// JOBLIB_MPI_PREFETCH_SECONDS: The work that a worker holds in addition to the running task, by the measured time
  /// per task, or one task that takes less than forty times as long; at most 0.5 ms if not all workers can give it back
  /// while a task runs.
  double prefetch_seconds = 5e-3;
  // Chosen, not measured: thousands of ranks that import Python from a shared file system take minutes.
  /// JOBLIB_MPI_START_SECONDS: The time that ranks wait for each other at the start, rank 0 for the first message of a
  /// worker, and all ranks for each other after the session.
  double start_seconds = 120.0;
  /// JOBLIB_MPI_SHUTDOWN_SECONDS: The time that rank 0 waits at the end of the session for workers that still run a
  /// task, before it says so or ends the job.
  double shutdown_seconds = 5.0;
  // Chosen, not measured: longer than a busy node or network keeps a process waiting.
  /// JOBLIB_MPI_HEARTBEAT_SECONDS: The time after which a worker that does not answer rank 0 is given up. 0 means
  /// never.
  double heartbeat_seconds = 10.0;
  /// JOBLIB_MPI_GRACE_SECONDS: The time by which a task may exceed its limit before it is ended by other means than a
  /// request.
  double grace_seconds = 0.5;
  // Starting a process takes some 20 ms, and as long as its imports; 100 000 tasks take seconds at least.
  /// JOBLIB_MPI_EXECUTOR_TASKS: The number of tasks after which the process that runs a worker's tasks is replaced, so
  /// that what tasks leave in it does not reach all later ones. 0 means never.
  std::size_t executor_tasks = 100'000;
  // Chosen, not measured. The limit of joblib's loky backend is 300 MB.
  /// JOBLIB_MPI_EXECUTOR_GROWTH: The bytes by which the private memory of the process that runs a worker's tasks may
  /// grow after its first task; beyond that, or once most of the files that it may open are open, it is replaced. 0
  /// means never.
  std::size_t executor_growth_bytes = std::size_t{1} << 30;
  /// JOBLIB_MPI_SPIN_SECONDS: The time that an idle rank with a core to itself polls before it yields the core and then
  /// sleeps.
  double spin_seconds = 200e-6;
  /// JOBLIB_MPI_MAX_SLEEP_SECONDS: The longest pause of an idle rank between two polls for messages. After some time
  /// without any, or if all that send it messages can wake it, it pauses for up to 20 ms.
  double max_sleep_seconds = 1e-3;
  /// JOBLIB_MPI_BROADCAST_CHUNK_BYTES: The size of the pieces in which a broadcast travels from node to node; rank 0's
  /// value counts. Each node in the chain adds the time of one piece to that of the whole array.
  std::size_t broadcast_chunk_bytes = std::size_t{1} << 20;
  // Chosen, not measured: a rank takes a piece in some milliseconds.
  /// JOBLIB_MPI_MESSAGE_PIECE_BYTES: The size of the pieces in which long messages travel, between which a rank does
  /// other things; rank 0's value counts. Each piece of at least 128 KiB shows that both ranks are alive.
  std::size_t message_piece_bytes = std::size_t{16} << 20;
  /// JOBLIB_MPI_CHECKPOINT_SECONDS: The longest time before a result is written to the checkpoint.
  double checkpoint_seconds = 2.0;
  /// JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS: The time that running tasks may continue after SIGUSR1 or SIGTERM.
  double checkpoint_grace_seconds = 60.0;
  /// JOBLIB_MPI_REQUEUE_STATUS: The exit status that asks the batch script to start the program again, EX_TEMPFAIL of
  /// sysexits.h by default.
  int requeue_status = 75;
  /// JOBLIB_MPI_CHECKPOINT_WAIT_SECONDS: The time that a program waits for another process that has its checkpoint in
  /// use, such as the previous run, which is still ending.
  double checkpoint_wait_seconds = 10.0;
  /// JOBLIB_MPI_CHECKPOINT_GUARD, "own" or "shared": The checkpoint files that are read: those that belong to this user
  /// or root and that no other user may write to, or those that were written with the key of JOBLIB_MPI_KEY.
  bool checkpoint_is_shared = false;
  /// JOBLIB_MPI_SPARE_BYTES: The memory of a node that is kept for future objects when objects are freed. Its pages are
  /// allocated already, which is most of the cost of a new object.
  std::size_t spare_bytes = std::size_t{512} << 20;
  /// JOBLIB_MPI_SHARED_FALLBACK, "file" or "error": The treatment of an object that does not fit into the memory of a
  /// node: `file` puts it into a file in TMPDIR of that node, `error` refuses it there.
  bool shared_fallback_to_file = true;
  /// The spill options of calls that set none: JOBLIB_MPI_SPILL_THRESHOLD and JOBLIB_MPI_MEMORY_BUDGET in bytes,
  /// JOBLIB_MPI_SPILL_DIR, JOBLIB_MPI_KEEP_SPILL ("yes" or "no") and JOBLIB_MPI_SPILL_COMPRESSION. Rank 0's values
  /// count.
  SpillOptions spill = {};
};

/// Returns the longest pause of a rank that has been idle for long, or is woken for messages. It is short beside the
/// heartbeat, which is not missed for it.
[[nodiscard]] inline double longest_pause_seconds(const Settings& settings) {
  const double pause = settings.heartbeat_seconds > 0 ? std::min(20e-3, settings.heartbeat_seconds / 1024) : 20e-3;
  return std::max(settings.max_sleep_seconds, pause);
}

/// A function that returns the value of an environment variable, or nothing if it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const char* name)>;

/// Returns the settings that `lookup` finds. Throws UsageError that names the variable, its value and the allowed
/// range.
[[nodiscard]] Settings settings_from(const EnvironmentLookup& lookup);

/// Returns the settings from the environment of this process. Throws UsageError as `settings_from` does.
[[nodiscard]] Settings settings_from_environment();

}  // namespace joblib_mpi
