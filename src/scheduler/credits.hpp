#pragma once

#include <algorithm>
#include <cstddef>

namespace joblib_mpi {

/// Computes how many tasks a worker may hold, from the measured time per task of one call.
///
/// Tasks held ahead hide the round trip to the coordinator. So a worker holds as many tasks as it completes in a time
/// of the caller's choice, or one if a round trip is still a part of its time that counts, and only the running one
/// while no time has been measured.
class Credits {
 public:
  explicit Credits(std::size_t max_credits) : max_credits_(max_credits) {}

  void observe(double task_seconds) {
    constexpr double weight = 1.0 / 8;  // of the newest task: follows a change within about ten tasks
    mean_seconds_ = measured_ ? mean_seconds_ + weight * (task_seconds - mean_seconds_) : task_seconds;
    measured_ = true;
  }

  /// Returns the credits of each worker, at least 1: the tasks of `prefetch_seconds` in addition to the running one,
  /// and one of tasks that take less than `longest_ahead_seconds`. They shrink at the end, when fewer tasks than
  /// workers are left.
  [[nodiscard]] std::size_t per_worker(std::size_t ready_tasks, std::size_t workers, double prefetch_seconds,
                                       double longest_ahead_seconds = 0) const {
    if (ready_tasks < workers || !measured_) return 1;
    const double fewest = mean_seconds_ < longest_ahead_seconds ? 1 : 0;
    const double ahead =
        std::clamp(prefetch_seconds / std::max(mean_seconds_, 1e-9), fewest, static_cast<double>(max_credits_));
    return std::min({max_credits_, 1 + static_cast<std::size_t>(ahead), 1 + ready_tasks / workers});
  }

  /// Returns the time that so many tasks probably take.
  [[nodiscard]] double seconds_of(std::size_t tasks) const { return static_cast<double>(tasks) * mean_seconds_; }

 private:
  std::size_t max_credits_;
  double mean_seconds_ = 0;
  bool measured_ = false;
};

}  // namespace joblib_mpi
