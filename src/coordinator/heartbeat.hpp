#pragma once

#include "core/ids.hpp"
#include "core/settings.hpp"

#include <chrono>
#include <vector>

namespace joblib_mpi {

/// Notices workers that have fallen silent: one that has said nothing for a while is asked for a sign, and is overdue
/// when it leaves that without an answer for `heartbeat_seconds`. The clock belongs to the caller.
///
/// Time counts only while `look` is called: after a long pause nobody is overdue before being asked anew.
class Heartbeat {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Of workers 1 to `workers`.
  Heartbeat(const Settings& settings, int workers);

  /// Anything has arrived from the worker.
  void heard_from(WorkerId worker) { at(worker).heard = true; }
  /// The worker serves from now on: until then it has `start_seconds` to answer, if that is longer.
  void has_started(WorkerId worker, bool answers_during_tasks);
  /// While it holds tasks, a worker that does not answer during tasks may be silent.
  void set_busy(WorkerId worker, bool busy) { at(worker).busy = busy; }
  /// Nothing more is asked of the worker.
  void forget(WorkerId worker) { at(worker).watched = false; }

  struct Overdue {
    WorkerId worker;
    double patience_seconds;
    bool started;
  };
  struct Findings {
    std::vector<WorkerId> to_ask;  ///< counted as asked at the time of the look
    std::vector<Overdue> overdue;
  };
  [[nodiscard]] Findings look(TimePoint now);
  /// Whether `look` would find a worker overdue: the caller takes what has arrived before it looks.
  [[nodiscard]] bool anyone_overdue(TimePoint now) const;

 private:
  using Duration = std::chrono::steady_clock::duration;
  struct Watched {
    bool watched = true;
    bool started = false;
    bool answers_during_tasks = true;
    bool busy = false;
    bool heard = true;   // since the last look
    bool asked = false;  // and not heard from since
    TimePoint since{};   // when it was asked, or heard from last
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
