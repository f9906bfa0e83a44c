#pragma once

#include "segments/descriptor.hpp"

#include <termios.h>

#include <optional>
#include <sys/types.h>

namespace joblib_mpi::launch {

/// The foreground of the terminal that controls this session, if there is one: its process group alone reads from the
/// terminal and gets the signals of its keys. SIGTTOU must be blocked, since any group may change the foreground then.
class Foreground {
 public:
  Foreground();

  /// Returns whether this process is in the foreground.
  [[nodiscard]] bool is_ours() const;
  /// Returns whether the process group `group` is in the foreground.
  [[nodiscard]] bool is_of(pid_t group) const;

  /// Puts `group` into the foreground.
  void give_to(pid_t group) const;
  /// Puts this process's group into the foreground if `group` is there now.
  void take_back_from(pid_t group) const;
  /// Gives the terminal the modes that it had at first, which a program that crashed has not restored.
  void restore_modes() const;

 private:
  Descriptor terminal_;
  std::optional<termios> modes_;
};

}  // namespace joblib_mpi::launch
