#pragma once

#include "files/guarded_folder.hpp"
#include "spill/folder_reaper.hpp"
#include "spill/removed_at_sigterm.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

namespace joblib_mpi {

/// The job's folder for results, created and removed by rank 0, also at SIGTERM. If rank 0 dies, a process that it has
/// started removes the folder; if that process dies as well, the next job on the same machine does.
class SpillFolder {
 public:
  /// Creates `<parent>/joblib-mpi-<job>-<six letters>`, after removing the folders of dead jobs. Throws SpillError,
  /// which names the parent and what to do.
  explicit SpillFolder(const std::filesystem::path& parent);
  SpillFolder(const SpillFolder&) = delete;
  SpillFolder& operator=(const SpillFolder&) = delete;
  /// Removes the folder, unless it is to be kept and is not empty.
  ~SpillFolder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Returns the path of a file that has been in the folder since its creation.
  [[nodiscard]] std::filesystem::path token() const { return path_ / "lock"; }
  /// Keeps the folder from now on, even if this process is killed.
  void keep();

 private:
  std::filesystem::path path_;
  const pid_t owner_;
  std::optional<GuardedFolder> folder_;  // set by the constructor
  bool kept_ = false;
  std::optional<DurableFile> lock_;  // locked while this process lives
  std::optional<FolderReaper> reaper_;
  std::optional<RemovedAtSigterm> sigterm_;
};

/// Throws SpillError if a SpillFolder cannot be made in `parent`, as far as its permissions tell.
void require_permission_to_spill(const std::filesystem::path& parent);
/// Throws SpillError if a SpillFolder cannot be made in `parent`, after making an empty folder there and removing it.
void require_spilling_to_work(const std::filesystem::path& parent);

/// Removes the folders in `parent` that processes of this user on this machine have created and no running one holds.
/// Entries of other users, links, and folders with a lock that is not a regular file stay.
void remove_stale_spill_folders(const std::filesystem::path& parent) noexcept;

}  // namespace joblib_mpi
