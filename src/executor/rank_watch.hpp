#pragma once

#include "segments/descriptor.hpp"

#include <string>
#include <sys/types.h>

namespace joblib_mpi {

/// Tells a process that serves a rank when that rank has ended, however it ends. The rank need not be its parent.
class RankWatch {
 public:
  /// Watches the process `rank`, which must not have ended.
  explicit RankWatch(pid_t rank);

  /// Returns whether the rank has ended. Costs a system call or, before Linux 5.3, a look into /proc.
  [[nodiscard]] bool has_ended() const;

  /// Returns the descriptor that becomes readable when the rank ends; before Linux 5.3 there is none, and -1 is
  /// returned.
  [[nodiscard]] int descriptor() const noexcept { return process_.get(); }
  /// Returns the longest time between two questions in milliseconds, for poll: -1 if `descriptor` makes them needless.
  [[nodiscard]] int longest_pause_milliseconds() const noexcept;

  /// Ends the watch, in a process that lives no longer than its parent.
  void close() noexcept { process_.close(); }

 private:
  Descriptor process_;
  std::string name_;  // as of own_process
};

}  // namespace joblib_mpi
