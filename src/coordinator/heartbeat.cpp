#include "coordinator/heartbeat.hpp"

#include "core/clock_duration.hpp"

#include <algorithm>
#include <utility>

namespace joblib_mpi {

Heartbeat::Heartbeat(const Settings& settings, int workers)
    : patience_(clock_duration(settings.heartbeat_seconds)),
      start_patience_(clock_duration(std::max(settings.heartbeat_seconds, settings.start_seconds))),
      workers_(static_cast<std::size_t>(workers)) {}

void Heartbeat::has_started(WorkerId worker, bool answers_during_tasks) {
  at(worker).started = true;
  at(worker).answers_during_tasks = answers_during_tasks;
}

Heartbeat::Findings Heartbeat::look(TimePoint now) {
  Findings findings;
  if (is_off()) return findings;
  const bool after_pause = is_after_pause(now);
  for (std::size_t index = 0; index < workers_.size(); ++index) {
    Watched& worker = workers_[index];
    if (!worker.watched) continue;
    const WorkerId id{static_cast<int>(index) + 1};
    const bool may_be_silent = worker.busy && !worker.answers_during_tasks;
    if (std::exchange(worker.heard, false) || may_be_silent) {
      worker.asked = false;
      worker.since = now;
    } else if (is_overdue(worker, now)) {
      worker.watched = false;
      const std::chrono::duration<double> patience = patience_with(worker);
      findings.overdue.push_back({id, patience.count(), worker.started});
    } else if (worker.asked ? after_pause : now - worker.since >= patience_ / 4) {
      worker.asked = true;
      worker.since = now;
      findings.to_ask.push_back(id);
    }
  }
  last_look_ = now;
  return findings;
}

bool Heartbeat::anyone_overdue(TimePoint now) const {
  return !is_off() && std::ranges::any_of(workers_, [&](const Watched& worker) { return is_overdue(worker, now); });
}

bool Heartbeat::is_overdue(const Watched& worker, TimePoint now) const {
  return worker.watched && worker.asked && !worker.heard && !(worker.busy && !worker.answers_during_tasks) &&
         !is_after_pause(now) && now - worker.since >= patience_with(worker);
}

}  // namespace joblib_mpi
