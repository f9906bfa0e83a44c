#include "client/link_heartbeat.hpp"

#include <utility>

namespace joblib_mpi {

LinkHeartbeat::LinkHeartbeat(double seconds) : patience_(seconds) {}

bool LinkHeartbeat::must_speak(TimePoint now) {
  if (patience_.count() <= 0) return false;
  const bool after_pause = now - std::exchange(last_look_, now) > patience_ / 2;
  if (std::exchange(heard_, false) || after_pause) heard_at_ = now;
  is_overdue_ = now - heard_at_ >= patience_;
  if (std::exchange(said_, false)) said_at_ = now;
  if (now - said_at_ < patience_ / 4) return false;
  said_at_ = now;  // not again in each turn if the connection takes nothing now
  return true;
}

}  // namespace joblib_mpi
