#pragma once

#include "segments/descriptor.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace joblib_mpi {

/// The way in which a process may use a segment.
enum class Access : std::uint8_t { read_only, writable };

/// Maps a file into the memory of this process while the object lives.
class Mapping {
 public:
  /// Maps the first `bytes` bytes of `file`. Throws std::system_error, also if the file is shorter: touching memory
  /// behind its end would kill the process.
  Mapping(const Descriptor& file, std::size_t bytes, Access access);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

/// Makes a nameless file in memory whose size can never change. It disappears when the last process that has it ends.
/// Throws std::system_error.
[[nodiscard]] Descriptor make_memory_file(std::size_t bytes);

/// Returns whether the file is in memory and can never become shorter.
[[nodiscard]] bool is_of_lasting_size(const Descriptor& file) noexcept;

/// Memory that other processes can map once they have its descriptor.
///
/// A process that is forked while this object lives has the memory as if it were not shared: what it writes there is
/// its own. A page shows what this process writes until the other one writes to it.
class Segment {
 public:
  /// Maps a file of at least `bytes` bytes. `id` must be new among all segments of this process. Throws
  /// std::system_error.
  Segment(std::uint64_t id, Descriptor file, std::size_t bytes, Access access);
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return mapping_.bytes(); }
  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
  [[nodiscard]] const Descriptor& file() const noexcept { return file_; }
  [[nodiscard]] Access access() const noexcept { return access_; }

  /// Copies `content` to `offset`, in bytes. As long as the pages are untouched, this is cheaper than writing through
  /// `bytes()`: the system need not clear them first.
  void write(std::size_t offset, ByteView content) const;
  /// Forbids all writing from now on, except by this process through `bytes()`. This has no effect on files that are
  /// not in memory and on kernels before 5.1.
  void seal() const noexcept;

 private:
  std::uint64_t id_;
  Descriptor file_;
  Mapping mapping_;
  Access access_;
};

/// Maps bytes of a segment for reading and writing. A page shows the segment's content until this process writes to it,
/// and is a private copy from then on. Throws std::system_error.
[[nodiscard]] SharedBytes copy_on_write(const Segment& segment, std::size_t offset, std::size_t bytes);
/// Maps bytes of a file in this way. The file must have them: touching memory behind its end would kill the process.
[[nodiscard]] SharedBytes copy_on_write(const Descriptor& file, std::size_t offset, std::size_t bytes);

}  // namespace joblib_mpi
