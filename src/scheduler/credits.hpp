#pragma once

#include <algorithm>
#include <cstddef>

namespace joblib_mpi {

/// Computes how many tasks a worker may hold, from the measured time per task of one call.
///
/// Tasks held ahead hide the round trip to the coordinator; long tasks held ahead are kept from idle workers. So a
/// worker holds as many tasks as it completes in `prefetch_seconds`, and only the running one while no time has been
/// measured.
class Credits {
 public:
  Credits(double prefetch_seconds, std::size_t max_credits)
      : prefetch_seconds_(prefetch_seconds), max_credits_(max_credits) {}

  void observe(double task_seconds) {
    constexpr double weight = 1.0 / 8;  // of the newest task: follows a change within about ten tasks
    mean_seconds_ = measured_ ? mean_seconds_ + weight * (task_seconds - mean_seconds_) : task_seconds;
    measured_ = true;
    const double ahead = prefetch_seconds_ / std::max(mean_seconds_, 1e-9);
    credits_ = ahead >= static_cast<double>(max_credits_) ? max_credits_
                                                          : std::min(max_credits_, 1 + static_cast<std::size_t>(ahead));
  }

  /// Returns the credits of each worker, at least 1. They shrink at the end, when fewer tasks than workers are left.
  [[nodiscard]] std::size_t per_worker(std::size_t ready_tasks, std::size_t workers) const {
    return ready_tasks < workers ? 1 : std::min(credits_, std::max<std::size_t>(1, 1 + ready_tasks / workers));
  }

 private:
  double prefetch_seconds_;
  std::size_t max_credits_;
  double mean_seconds_ = 0;
  bool measured_ = false;
  std::size_t credits_ = 1;
};

}  // namespace joblib_mpi
