#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace joblib_mpi {

/// Prints how far a call has come, in the form of joblib's own lines, on stderr.
class Progress {
 public:
  /// `verbose` as in ParallelOptions.
  Progress(int verbose, int n_jobs, std::optional<std::size_t> total);

  void task_finished() {
    ++done_;
    if (verbose_ > 0) print_if_due();
  }
  /// All tasks are done.
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
