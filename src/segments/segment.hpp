#pragma once

#include "segments/descriptor.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace joblib_mpi {

enum class Access : std::uint8_t { read_only, writable };

/// Pages of a file in this process's memory.
class Mapping {
 public:
  /// Throws std::system_error.
  Mapping(const Descriptor& file, std::size_t bytes, Access access);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

/// A file in memory, of that size for ever, that has no name: nothing is left of it when the last process that has it
/// ends. Throws std::system_error.
[[nodiscard]] Descriptor make_memory_file(std::size_t bytes);

/// Memory that other processes can map once they have its descriptor.
class Segment {
 public:
  /// Maps a file of at least `bytes`. `id` must be new among all segments of this process. Throws std::system_error.
  Segment(std::uint64_t id, Descriptor file, std::size_t bytes, Access access);

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return mapping_.bytes(); }
  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
  [[nodiscard]] Access access() const noexcept { return access_; }

  /// Puts `content` there. While nothing else has touched the pages, that is cheaper than through `bytes()`: the system
  /// need not clear them first.
  void write(std::size_t offset, ByteView content) const;
  /// From now on nobody can write but this process, through `bytes()`. A file that is not in memory, and a kernel
  /// before 5.1, cannot promise that.
  void seal() const noexcept;

 private:
  std::uint64_t id_;
  Descriptor file_;
  Mapping mapping_;
  Access access_;
};

/// Bytes of a segment that show what it holds until this process writes to them, and are its own then, page by page.
/// Throws std::system_error.
[[nodiscard]] SharedBytes copy_on_write(const Segment& segment, std::size_t offset, std::size_t bytes);

}  // namespace joblib_mpi
