#pragma once

#include "checkpoint/journal.hpp"

#include <chrono>
#include <optional>

namespace joblib_mpi {

/// The run has been told to end, once and for all.
struct Interruption {
  std::chrono::steady_clock::time_point deadline;  ///< until which running tasks may go on
  int exit_status;
};

/// Nothing if no signal has come. From any thread.
[[nodiscard]] std::optional<Interruption> interruption();

/// Says on stderr, once, that the run has been told to end: when it is true that no task starts any more.
void announce_interruption();

/// Heeds SIGUSR1 and SIGTERM while it lives: the first one has `journal` written, and is from then on what
/// `interruption` says. Slurm sends SIGUSR1 some time before the limit if asked to (`--signal=USR1@120`),
/// and SIGTERM when it cancels or preempts a job; both may come twice. The last one alive gives the signals back.
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

/// As if no signal had come: for tests.
void forget_interruption();

}  // namespace joblib_mpi
