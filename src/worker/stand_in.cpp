#include "worker/stand_in.hpp"

#include <algorithm>

namespace joblib_mpi {
namespace {

/// The pause between two turns while rank 0 may ask for tasks that wait here, for which other workers are idle; and
/// while it may be that it soon can. Chosen, not measured.
constexpr std::chrono::duration<double> pause_of_a_holder{1e-3};
constexpr std::chrono::duration<double> pause_of_a_worker{5e-3};

/// Returns the pause between two turns: short enough for a heartbeat, for a task's time limit, and for objects that
/// arrive during a task. Chosen, not measured.
double pause_seconds(const Settings& settings) {
  constexpr double longest = 0.25;
  return settings.heartbeat_seconds == 0 ? longest : std::min(settings.heartbeat_seconds / 8, longest);
}

}  // namespace

StandIn::StandIn(Worker& worker, std::mutex& worker_mutex, const Settings& settings)
    : worker_(&worker), worker_mutex_(&worker_mutex), pause_(pause_seconds(settings)), thread_([this] { live(); }) {}

StandIn::~StandIn() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  closing_changed_.notify_one();
  thread_.join();
}

void StandIn::live() {
  std::unique_lock lock(mutex_);
  const auto usual_pause = std::min(pause_, pause_of_a_worker);
  auto pause = usual_pause;
  while (!closing_changed_.wait_for(lock, pause, [this] { return closing_; })) {
    // While the worker's own thread holds the lock, no stand-in is needed.
    const std::unique_lock worker_lock(*worker_mutex_, std::try_to_lock);
    pause = usual_pause;
    if (!worker_lock) continue;
    worker_->attend(Worker::Clock::now());
    if (worker_->holds_ahead()) pause = std::min(pause_, pause_of_a_holder);
  }
}

}  // namespace joblib_mpi
