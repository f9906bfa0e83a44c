#pragma once

#include "core/ids.hpp"
#include "core/settings.hpp"

#include <chrono>
#include <vector>

namespace joblib_mpi {

/// Detects workers that have fallen silent. A worker that has sent nothing for a while is to be pinged, and is overdue
/// when it leaves the ping unanswered for `heartbeat_seconds`. The caller passes the time.
///
/// Time counts only while `look` is called: after a long pause no worker is overdue until it has been pinged again.
class Heartbeat {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Watches the workers 1 to `workers`.
  Heartbeat(const Settings& settings, int workers);

  /// Notes that a message has arrived from the worker.
  void heard_from(WorkerId worker) { at(worker).heard = true; }
  /// Notes that the worker has begun to serve. Until then it has `start_seconds` to answer, if that is longer.
  void has_started(WorkerId worker, bool answers_during_tasks);
  /// Sets whether the worker holds tasks. While it does, it may be silent if it does not answer during tasks.
  void set_busy(WorkerId worker, bool busy) { at(worker).busy = busy; }
  /// Stops watching the worker.
  void forget(WorkerId worker) { at(worker).watched = false; }
  /// Gives a worker that was found overdue its time again.
  void excuse(WorkerId worker) {
    at(worker).watched = true;
    at(worker).heard = true;
  }
  /// Watches a worker again that was forgotten and has been heard of.
  void watch_again(WorkerId worker) { at(worker) = {}; }

  struct Overdue {
    WorkerId worker;
    double patience_seconds;
    bool started;
  };
  struct Findings {
    std::vector<WorkerId> to_ask;  ///< The workers to ping; they count as pinged at the time of the look.
    std::vector<Overdue> overdue;
  };
  [[nodiscard]] Findings look(TimePoint now);
  /// Returns whether `look` would find a worker overdue, so that the caller can take the messages that have arrived
  /// first.
  [[nodiscard]] bool anyone_overdue(TimePoint now) const;

 private:
  using Duration = std::chrono::steady_clock::duration;
  struct Watched {
    bool watched = true;
    bool started = false;
    bool answers_during_tasks = true;
    bool busy = false;
    bool heard = true;   // something has arrived since the last look
    bool asked = false;  // pinged, and nothing has arrived since
    TimePoint since{};   // when it was pinged, or when something last arrived
  };

  Watched& at(WorkerId worker) { return workers_[static_cast<std::size_t>(worker.value - 1)]; }
  [[nodiscard]] bool is_off() const noexcept { return patience_ == Duration::zero(); }
  [[nodiscard]] bool is_after_pause(TimePoint now) const { return now - last_look_ > patience_ / 2; }
  [[nodiscard]] Duration patience_with(const Watched& worker) const {
    return worker.started ? patience_ : start_patience_;
  }
  [[nodiscard]] bool is_overdue(const Watched& worker, TimePoint now) const;

  Duration patience_;
  Duration start_patience_;
  TimePoint last_look_{};
  std::vector<Watched> workers_;
};

}  // namespace joblib_mpi
