#include "worker/coordinator_watch.hpp"

#include <utility>

namespace joblib_mpi {

CoordinatorWatch::CoordinatorWatch(double heartbeat_seconds) : patience_(9 * heartbeat_seconds) {}

bool CoordinatorWatch::is_overdue(TimePoint now) {
  const bool after_pause = now - std::exchange(last_look_, now) > patience_ / 2;
  if (std::exchange(heard_, false) || after_pause) silent_since_ = now;
  return begun_ && patience_.count() > 0 && now - silent_since_ >= patience_;
}

}  // namespace joblib_mpi
