#pragma once

#include "checkpoint/journal.hpp"

#include <chrono>
#include <optional>

namespace joblib_mpi {

/// The order to end the run, which is never withdrawn.
struct Interruption {
  std::chrono::steady_clock::time_point deadline;  ///< The time until which running tasks may go on.
  int exit_status;
};

/// Returns nothing if no signal has come. Thread-safe.
[[nodiscard]] std::optional<Interruption> interruption();

/// Prints on stderr, once, that the run has been told to end. Must be called when no more tasks start.
void announce_interruption();

/// Handles SIGUSR1 and SIGTERM while it lives: the first signal makes `journal` write its results, and `interruption`
/// reports it from then on. Slurm sends SIGUSR1 some time before the limit if asked to (`--signal=USR1@120`), and
/// SIGTERM when it cancels or preempts a job; both may come twice. The last watch that is destroyed restores the
/// previous signal handlers.
class InterruptionWatch {
 public:
  struct Options {
    std::chrono::duration<double> grace;
    int exit_status;
  };
  InterruptionWatch(Journal& journal, const Options& options);
  InterruptionWatch(const InterruptionWatch&) = delete;
  InterruptionWatch& operator=(const InterruptionWatch&) = delete;
  ~InterruptionWatch();

 private:
  Journal* journal_;
};

/// Resets the state to that before any signal. For tests only.
void forget_interruption();

}  // namespace joblib_mpi
