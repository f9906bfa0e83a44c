#pragma once

#include "segments/descriptor.hpp"
#include "segments/memory_room.hpp"
#include <joblib_mpi/error.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace joblib_mpi {

/// A node has no room for memory that all its processes share. The text says how much was needed and how much is free.
class NoRoomError : public Error {
 public:
  using Error::Error;
};

/// Supplies the memory that the processes of a node share: memory as long as there is room, then a file on a disk.
struct SegmentSource {
  /// Allows a file to take the place of memory.
  bool uses_files = true;
  /// The folder for these files. Empty: TMPDIR, or /tmp.
  std::string folder = {};
  /// Returns the memory that is left.
  std::function<MemoryRoom()> room = [] { return memory_room(); };

  /// Makes a nameless file of fixed size whose pages are all available: touching one does not get a process killed.
  /// Throws NoRoomError.
  [[nodiscard]] Descriptor open(std::size_t bytes) const;
};

}  // namespace joblib_mpi
