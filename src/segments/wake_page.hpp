#pragma once

#include "core/wake_flag.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment.hpp"

namespace joblib_mpi {

/// The flag on which a rank of this node sleeps, at the beginning of a file of memory.
class WakePage {
 public:
  /// Maps a file that has a flag. Throws std::system_error, also if it is too short.
  explicit WakePage(const Descriptor& file);

  [[nodiscard]] WakeFlag& flag() const noexcept { return *flag_; }

 private:
  Mapping mapping_;
  WakeFlag* flag_;
};

/// The flag on which this rank sleeps, and its file for the other ranks of the node.
class OwnWakePage {
 public:
  /// Makes a file with a flag. Throws std::system_error.
  OwnWakePage();
  /// Takes a file that has a flag. Throws std::system_error, also if it is too short.
  explicit OwnWakePage(Descriptor file);

  [[nodiscard]] WakeFlag& flag() const noexcept { return page_.flag(); }
  [[nodiscard]] const Descriptor& file() const noexcept { return file_; }

 private:
  Descriptor file_;
  WakePage page_;
};

}  // namespace joblib_mpi
