#pragma once

namespace joblib_mpi {

/// The place where a worker rank runs tasks.
enum class Isolation {
  /// The rank itself: fastest, but a task that crashes takes its rank along.
  none,
  /// A process beside the rank, replaced whenever a task ends it: by a crash, by abort or exit, or by exceeding its
  /// memory or time limit. Tasks cannot call MPI there, and see global objects as they were when the session began.
  process,
};

}  // namespace joblib_mpi
