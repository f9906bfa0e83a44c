#pragma once

#include "files/durable_file.hpp"
#include "files/guarded_folder.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// The files of a journal, which one process at a time holds: the file `path` with the results of finished runs, and
/// the parts in the folder `<path>.parts`, whose file `lock` is locked and names the holder. Not thread-safe.
class JournalFolder {
 public:
  /// Makes the folder if it does not exist, and locks it. Waits up to `patience` for another process that holds it,
  /// perhaps because it is ending. Throws CheckpointError if that takes longer, or the folder cannot be written.
  JournalFolder(std::filesystem::path path, Guard guard, std::chrono::duration<double> patience);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Returns the folder `<path>.parts`, where new files are made.
  [[nodiscard]] const GuardedFolder& folder() const noexcept { return folder_; }
  /// Returns the journal's name, worded to begin a message.
  [[nodiscard]] std::string name() const { return "checkpoint \"" + path_.string() + "\" "; }
  /// Returns whether there is an entry at `path`, be it a broken link.
  [[nodiscard]] bool has_merged_file() const;
  /// Opens the file at `path`, or a part. Throws FileError.
  [[nodiscard]] DurableFile open(const std::filesystem::path& file) const;

  /// Looks for the parts that earlier runs have left. Throws FileError.
  void find_parts();
  /// Returns the parts that were found or added, in the order in which they were written.
  [[nodiscard]] const std::vector<std::filesystem::path>& parts() const noexcept { return parts_; }
  /// Returns the path for a new part, which is greater than those of all parts before it.
  [[nodiscard]] std::filesystem::path next_part();
  void add_part(std::filesystem::path part);
  void remove_part(const std::filesystem::path& part);
  /// Removes the files that earlier runs have not completed. Throws FileError.
  void remove_temporaries() const;

  /// Returns whether this object holds the files, which is so until `release`.
  [[nodiscard]] bool is_held() const noexcept { return lock_.has_value(); }
  /// Lets other processes use the files, and removes the folder unless there are parts in it.
  void release() noexcept;
  /// Calls `release` if the files are held and there are no parts.
  void release_if_empty() noexcept;

 private:
  [[nodiscard]] GuardedFolder make_folder() const;
  void hold(std::chrono::duration<double> patience);
  /// Locks the folder; returns an empty text, or that of the process that holds it.
  [[nodiscard]] std::string try_to_hold();

  std::filesystem::path path_;
  Guard guard_;
  GuardedFolder folder_;
  std::optional<DurableFile> lock_;
  std::vector<std::filesystem::path> parts_;
  std::uint64_t last_part_ = 0;
};

}  // namespace joblib_mpi
