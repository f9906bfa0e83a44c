#pragma once

#include "checkpoint/journal.hpp"
#include "checkpoint/written_at_signals.hpp"

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

/// Handles SIGUSR1 and SIGTERM while it lives: a signal makes `journal` write its results at once, and `interruption`
/// reports the first one from then on. Slurm sends SIGUSR1 some time before the limit if asked to
/// (`--signal=USR1@120`), and SIGTERM when it cancels or preempts a job; both may come twice. The last watch that is
/// destroyed restores the previous signal handlers.
class InterruptionWatch {
 public:
  struct Options {
    std::chrono::duration<double> grace;
    int exit_status;
  };
  InterruptionWatch(Journal& journal, const Options& options) : noted_(options), written_(journal) {}

 private:
  /// Notes a signal while it lives.
  class NotedSignals {
   public:
    explicit NotedSignals(const Options& options);
    NotedSignals(const NotedSignals&) = delete;
    NotedSignals& operator=(const NotedSignals&) = delete;
    ~NotedSignals();
  };

  NotedSignals noted_;
  WrittenAtSignals written_;  // after `noted_`, because it passes signals on to what is there before
};

/// Resets the state to that before any signal. For tests only.
void forget_interruption();

}  // namespace joblib_mpi
