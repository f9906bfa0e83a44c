#pragma once

#include "core/session_end.hpp"
#include "core/wake_flag.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment.hpp"

namespace joblib_mpi {

/// What a rank shares with the other ranks of its node: the flag on which it sleeps, and its word that the session has
/// ended.
struct RankPage {
  WakeFlag wake_flag;
  SessionEnd session_end;
};

/// The RankPage of a rank of this node, at the beginning of a file of memory.
class WakePage {
 public:
  /// Maps a file that has a RankPage. Throws std::system_error, also if it is too short.
  explicit WakePage(const Descriptor& file);

  [[nodiscard]] WakeFlag& flag() const noexcept { return page_->wake_flag; }
  [[nodiscard]] SessionEnd& session_end() const noexcept { return page_->session_end; }

 private:
  Mapping mapping_;
  RankPage* page_;
};

/// The RankPage of this rank, and its file for the other ranks of the node.
class OwnWakePage {
 public:
  /// Makes a file with a RankPage. Throws std::system_error.
  OwnWakePage();
  /// Takes a file that has a RankPage. Throws std::system_error, also if it is too short.
  explicit OwnWakePage(Descriptor file);

  [[nodiscard]] WakeFlag& flag() const noexcept { return page_.flag(); }
  [[nodiscard]] SessionEnd& session_end() const noexcept { return page_.session_end(); }
  [[nodiscard]] const Descriptor& file() const noexcept { return file_; }

 private:
  Descriptor file_;
  WakePage page_;
};

}  // namespace joblib_mpi
