#pragma once

#include "segments/descriptor.hpp"

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

/// Memory that other processes can map once they have its descriptor. It has no name, so nothing is left of it when the
/// last process that has it ends.
class Segment {
 public:
  /// Throws std::system_error. `id` must be new among all segments of this process.
  Segment(std::uint64_t id, std::size_t bytes);

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return mapping_.bytes(); }
  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }

 private:
  std::uint64_t id_;
  Descriptor file_;
  Mapping mapping_;
};

}  // namespace joblib_mpi
