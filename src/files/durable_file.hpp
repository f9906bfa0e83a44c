#pragma once

#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/error.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

namespace joblib_mpi {

/// Thrown if a file or folder cannot be opened, read or written; the text has its path and the system's reason.
class FileError : public Error {
 public:
  using Error::Error;
};

/// A file accessed by its descriptor, which the destructor closes. Every failure throws FileError.
class DurableFile {
 public:
  /// Takes over an open descriptor of the file at `path`.
  DurableFile(std::filesystem::path path, int descriptor) noexcept : path_(std::move(path)), descriptor_(descriptor) {}
  DurableFile(DurableFile&& other) noexcept;
  DurableFile& operator=(DurableFile&& other) noexcept;
  ~DurableFile();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size() const;
  /// Writes all of `bytes` at `offset`. If the disk is full, the error tells how much space is left.
  void write_at(std::uint64_t offset, ByteView bytes);
  /// Makes the file `bytes` long and allocates disk space for all of them where the file system supports it.
  void reserve(std::uint64_t bytes);
  /// Removes all content.
  void clear();
  /// Returns as many bytes as there are at `offset`, at most `size`.
  [[nodiscard]] Bytes read_at(std::uint64_t offset, std::size_t size) const;
  /// Flushes the file to disk and returns when that is done.
  void sync();
  /// Closes the file now: some file systems report write errors only then. No other function may be called afterwards.
  void close();
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Returns whether this process now holds the file exclusively (flock). On a file system without locks it returns
  /// true.
  [[nodiscard]] bool lock();
  /// Returns whether the path still leads to this file.
  [[nodiscard]] bool is_at_its_path() const;

 private:
  [[noreturn]] void fail(const std::string& what) const;

  std::filesystem::path path_;
  int descriptor_;
};

/// Flushes `folder` to disk, so that files renamed, created or removed in it stay so after a crash.
void sync_folder(const std::filesystem::path& folder);

}  // namespace joblib_mpi
