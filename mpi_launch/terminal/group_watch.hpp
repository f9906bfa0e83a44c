#pragma once

#include "segments/descriptor.hpp"

#include <memory>
#include <optional>
#include <sys/types.h>

namespace joblib_mpi::launch {

/// A child process in another process group of this session, which learns what the terminal tells that group: it
/// reports each SIGINT, and it is stopped with the group by SIGTSTP, SIGTTIN and SIGTTOU; SIGCHLD then comes. It ends
/// with this object, with this process, and with the group if that is killed.
class GroupWatch {
 public:
  /// Starts a watch in `group`. Returns nothing if the group is not in this session.
  [[nodiscard]] static std::unique_ptr<GroupWatch> start_in(pid_t group);
  GroupWatch(const GroupWatch&) = delete;
  GroupWatch& operator=(const GroupWatch&) = delete;
  ~GroupWatch();

  [[nodiscard]] pid_t group() const { return group_; }
  /// Returns the signal that has stopped the group since the last call, if one has.
  [[nodiscard]] std::optional<int> take_stop();
  /// Returns the end of a pipe from which `take_interrupt` reads.
  [[nodiscard]] const Descriptor& interrupts() const { return interrupts_; }
  /// Returns whether there is an interrupt that has not been taken, and takes it. May wait unless `interrupts` is
  /// readable.
  [[nodiscard]] bool take_interrupt();

 private:
  GroupWatch(pid_t group, pid_t process, Descriptor interrupts);

  pid_t group_;
  pid_t process_;  ///< 0 once it has ended
  Descriptor interrupts_;
};

}  // namespace joblib_mpi::launch
