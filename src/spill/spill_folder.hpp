#pragma once

#include "files/durable_file.hpp"
#include "spill/folder_reaper.hpp"
#include "spill/removed_at_sigterm.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

namespace joblib_mpi {

/// A job's own folder for results, made and removed by rank 0, at SIGTERM, too. If rank 0 dies, a process that it has
/// started removes the folder; if that dies, too, the next job of the same machine does.
class SpillFolder {
 public:
  /// Makes `<parent>/joblib-mpi-<job>-<six letters>`, after it has removed those of dead jobs. Throws SpillError, which
  /// names the parent and what to do.
  explicit SpillFolder(const std::filesystem::path& parent);
  SpillFolder(const SpillFolder&) = delete;
  SpillFolder& operator=(const SpillFolder&) = delete;
  /// Removes it, unless it is to be kept and has something in it.
  ~SpillFolder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// A file in it that has been there since it was made.
  [[nodiscard]] std::filesystem::path token() const { return path_ / "lock"; }
  /// From now on the folder stays, whatever happens to this process.
  void keep();

 private:
  std::filesystem::path path_;
  const pid_t owner_;
  bool kept_ = false;
  std::optional<DurableFile> lock_;  // locked as long as this process lives
  std::optional<FolderReaper> reaper_;
  std::optional<RemovedAtSigterm> sigterm_;
};

/// Removes the folders in `parent` that processes of this machine have made and that no living one has.
void remove_stale_spill_folders(const std::filesystem::path& parent) noexcept;

}  // namespace joblib_mpi
