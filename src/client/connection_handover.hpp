#pragma once

#include "client/meeting_point.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace joblib_mpi {

/// The place at which the thread that moves a client's bytes waits for another connection after one was cut, and to
/// which another thread brings it.
class ConnectionHandover {
 public:
  using Clock = std::chrono::steady_clock;

  /// Waits for the next connection and returns it; the last one was cut because of `why`, after the frame `received`.
  /// Throws JobGone if none has come by the deadline, or was given up.
  [[nodiscard]] Met next(std::uint64_t received, const std::string& why, Clock::time_point deadline);
  /// Lets `next` throw JobGone with this text, now and from now on. Only the first text counts.
  void give_up(std::string why);

  /// Waits until a connection is wanted, and returns true; returns false after the deadline, or once it was given up.
  [[nodiscard]] bool wait_until_wanted(Clock::time_point deadline);
  /// Returns the number of the last frame that had arrived when the connection was cut. Throws UsageError if no
  /// connection is wanted.
  [[nodiscard]] std::uint64_t received() const;
  /// Lets `next` return this connection. Closes it if none is wanted any more.
  void bring(Met next);

 private:
  [[nodiscard]] bool is_wanted() const noexcept { return received_ && !brought_ && !why_given_up_; }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::uint64_t> received_;  // while `next` waits
  std::optional<Met> brought_;
  std::optional<std::string> why_given_up_;
};

}  // namespace joblib_mpi
