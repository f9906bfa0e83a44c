#pragma once

#include <filesystem>
#include <sys/types.h>

namespace joblib_mpi {

/// A process that removes a folder when this process ends, whatever ends it; unless the folder then has a file "keep".
/// It outlives signals to this process's group and session, and holds none of its files.
class FolderReaper {
 public:
  /// Throws std::system_error.
  explicit FolderReaper(const std::filesystem::path& folder);
  FolderReaper(const FolderReaper&) = delete;
  FolderReaper& operator=(const FolderReaper&) = delete;
  /// Has it do its work now, and waits for it. In a fork of this process: nothing.
  ~FolderReaper();

 private:
  pid_t owner_;
  pid_t reaper_ = 0;
  int socket_ = -1;  // a line or the end of file is the sign
};

}  // namespace joblib_mpi
