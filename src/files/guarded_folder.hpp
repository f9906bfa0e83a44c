#pragma once

#include "files/durable_file.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace joblib_mpi {

/// Says whose files and folders are used.
enum class Guard : std::uint8_t {
  own,     ///< Those that belong to this user or root and that no other user may write to.
  shared,  ///< All of them, where their content is authenticated.
};

/// Thrown if another user owns a file or folder or may write to it; the text says who or which mode.
class UntrustedFileError : public FileError {
 public:
  using FileError::FileError;
};

/// Opens a regular file with `flags` as for open(2), except O_TRUNC. It neither follows a symbolic link at the end of
/// the path nor waits for the other end of a pipe. Throws FileError, or UntrustedFileError if `guard` does not allow
/// the file.
[[nodiscard]] DurableFile open_guarded(const std::filesystem::path& path, int flags, Guard guard);

/// A folder accessed by its descriptor, so that all names are looked up in this very folder even if its path leads to
/// another one later. Functions throw FileError unless they are noexcept.
class GuardedFolder {
 public:
  /// Opens the folder; its path must not end in a symbolic link. Throws UntrustedFileError if `guard` does not allow
  /// the folder.
  GuardedFolder(std::filesystem::path path, Guard guard);
  /// Opens the folder, after making it if it does not exist. Other users cannot enter the new folder unless `guard` is
  /// `shared`.
  [[nodiscard]] static GuardedFolder make(std::filesystem::path path, Guard guard);
  GuardedFolder(GuardedFolder&& other) noexcept;
  GuardedFolder& operator=(GuardedFolder&& other) noexcept;
  ~GuardedFolder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Opens a file of the folder as `open_guarded` does.
  [[nodiscard]] DurableFile open(const std::string& name, int flags) const;
  /// Makes a new file for reading and writing, in place of any other with that name.
  [[nodiscard]] DurableFile create(const std::string& name) const;
  /// Returns whether the path still leads to this folder.
  [[nodiscard]] bool is_at_its_path() const noexcept;
  [[nodiscard]] bool contains(const std::string& name) const noexcept;
  /// Returns the names of all entries.
  [[nodiscard]] std::vector<std::string> names() const;
  void remove(const std::string& name) const noexcept;
  /// Renames the file `name` to `target`, in place of any other file there.
  void move(const std::string& name, const std::filesystem::path& target) const;

 private:
  std::filesystem::path path_;
  Guard guard_;
  int descriptor_;
};

}  // namespace joblib_mpi
