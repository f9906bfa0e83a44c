#pragma once

namespace joblib_mpi {

/// Where a worker rank runs tasks.
enum class Isolation {
  /// In the rank itself: fastest, and a task that crashes takes its rank along.
  none,
  /// In a process beside the rank that is replaced when a task ends it: by a crash, by abort or exit, by the memory or
  /// time it takes. Tasks cannot call MPI there, and global objects are as they were when the session was made.
  process,
};

}  // namespace joblib_mpi
