#pragma once

#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/error.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

namespace joblib_mpi {

/// A file or folder that cannot be opened, read or written; the text has its path and the system's reason.
class FileError : public Error {
 public:
  using Error::Error;
};

/// A file by its descriptor, closed with the object. Every failure throws FileError.
class DurableFile {
 public:
  /// `flags` as for open(2); new files are readable by all that the umask allows.
  DurableFile(std::filesystem::path path, int flags);
  DurableFile(DurableFile&& other) noexcept;
  DurableFile& operator=(DurableFile&& other) noexcept;
  ~DurableFile();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size() const;
  /// All of `bytes` at `offset`. A full disk is named with the space that is left.
  void write_at(std::uint64_t offset, ByteView bytes);
  /// Makes the file `bytes` long, with room on the disk for all of them where the file system can promise it.
  void reserve(std::uint64_t bytes);
  /// As much as there is, up to `size` bytes.
  [[nodiscard]] Bytes read_at(std::uint64_t offset, std::size_t size) const;
  /// Returns when the disk has it.
  void sync();
  /// Closes it now: some file systems report only then what has failed. Nothing else may follow.
  void close();
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Whether this process now holds the file alone (flock); what cannot be locked is held.
  [[nodiscard]] bool lock();
  /// Whether the path still leads to this file.
  [[nodiscard]] bool is_at_its_path() const;

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::filesystem::path path_;
  int descriptor_;
};

/// Makes what was renamed, made or removed in `folder` last.
void sync_folder(const std::filesystem::path& folder);

}  // namespace joblib_mpi
