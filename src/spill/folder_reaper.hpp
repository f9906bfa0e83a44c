#pragma once

#include <filesystem>
#include <sys/types.h>

namespace joblib_mpi {

/// A process that removes a folder when this process ends, for any reason, unless the folder then has a file "keep". It
/// survives signals to the group and session of this process, and holds none of its files.
class FolderReaper {
 public:
  /// Starts the process. Throws std::system_error.
  explicit FolderReaper(const std::filesystem::path& folder);
  FolderReaper(const FolderReaper&) = delete;
  FolderReaper& operator=(const FolderReaper&) = delete;
  /// Makes the process remove the folder now, and waits for it. Does nothing in a fork of this process.
  ~FolderReaper();

 private:
  pid_t owner_;
  pid_t reaper_ = 0;
  int socket_ = -1;  // a line or the end of file starts the removal
};

}  // namespace joblib_mpi
