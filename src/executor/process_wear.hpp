#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace joblib_mpi {

/// Says when a process that runs tasks has had enough of them: after a number of tasks, or when it has grown. It has
/// grown if it has far more memory than after its first task, or most of the open files that it may have.
class ProcessWear {
 public:
  using Clock = std::chrono::steady_clock;

  struct Limits {
    /// The number of tasks that a process runs; 0 for any number.
    std::uint64_t most_tasks = 0;
    /// The private memory that a process may gain; 0 for any growth, also in open files.
    std::uint64_t most_growth_bytes = 0;
    /// The time between two looks at the size of a process, each of which takes some tens of microseconds.
    double seconds_between_looks = 1.0;
  };

  explicit ProcessWear(const Limits& limits) : limits_(limits) {}

  /// Begins anew, for a process that has run no task.
  void begin();
  /// Counts a task that `process` has run, and returns whether it should run no further one.
  [[nodiscard]] bool is_worn_after_task(pid_t process, Clock::time_point now);

 private:
  struct Size {
    std::uint64_t bytes;
    std::uint64_t open_files;
  };
  [[nodiscard]] static Size size_of(pid_t process);
  [[nodiscard]] bool has_grown(const Size& size) const;

  Limits limits_;
  std::uint64_t n_tasks_ = 0;
  Clock::time_point looked_at_{};
  std::optional<Size> first_size_;  // after the first task
};

}  // namespace joblib_mpi
