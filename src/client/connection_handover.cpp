#include "client/connection_handover.hpp"

#include "client/job_gone.hpp"

#include <utility>

namespace joblib_mpi {

Met ConnectionHandover::next(std::uint64_t received, const std::string& why, Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  received_ = received;
  changed_.notify_all();
  changed_.wait_until(lock, deadline, [this] { return brought_ || why_given_up_; });
  received_.reset();
  if (why_given_up_) throw JobGone(*why_given_up_);
  if (!brought_) throw JobGone(why + ", and there was no other connection in time");
  return *std::exchange(brought_, {});
}

void ConnectionHandover::give_up(std::string why) {
  {
    const std::lock_guard lock(mutex_);
    if (!why_given_up_) why_given_up_ = std::move(why);
  }
  changed_.notify_all();
}

bool ConnectionHandover::wait_until_wanted(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return is_wanted() || why_given_up_; });
  return is_wanted();
}

std::uint64_t ConnectionHandover::received() const {
  const std::lock_guard lock(mutex_);
  if (!is_wanted()) throw UsageError("the client needs no other connection: its last one is not cut, or it has left");
  return *received_;
}

void ConnectionHandover::bring(Met next) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_wanted()) return;
    brought_ = std::move(next);
  }
  changed_.notify_all();
}

}  // namespace joblib_mpi
