#include "executor/rank_watch.hpp"

#include "core/process_watch.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

/// Chosen, not measured.
constexpr int look_milliseconds = 500;

/// Returns a descriptor of the process, closed by exec; none if the system has no such descriptors.
Descriptor descriptor_of(pid_t process) {
  return Descriptor(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
}

}  // namespace

RankWatch::RankWatch(pid_t rank) : process_(descriptor_of(rank)), name_(process_name(rank)) {}

bool RankWatch::has_ended() const {
  if (!process_.open()) return !is_running(name_);
  pollfd event{process_.get(), POLLIN, 0};
  return poll(&event, 1, 0) > 0;
}

int RankWatch::longest_pause_milliseconds() const noexcept {
  return process_.open() ? -1 : look_milliseconds;
}

}  // namespace joblib_mpi
