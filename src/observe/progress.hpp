#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace joblib_mpi {

/// Prints the progress of a call on stderr, in the form of joblib's own lines.
class Progress {
 public:
  /// Starts the clock. `verbose` is that of ParallelOptions.
  Progress(int verbose, int n_jobs, std::optional<std::size_t> total);

  void task_finished() {
    ++done_;
    if (verbose_ > 0) print_if_due();
  }
  /// Prints the last line, when all tasks are done.
  void finish() const;

 private:
  using Clock = std::chrono::steady_clock;
  void print_if_due();
  [[nodiscard]] double elapsed_seconds() const;

  int verbose_;
  int n_jobs_;
  std::optional<std::size_t> total_;
  std::size_t done_ = 0;
  Clock::time_point start_;
  Clock::time_point last_print_;
};

}  // namespace joblib_mpi
