#pragma once

#include "segments/descriptor.hpp"
#include "segments/memory_room.hpp"
#include <joblib_mpi/error.hpp>

#include <cstddef>
#include <functional>
#include <string>

namespace joblib_mpi {

/// A node has no room for memory that all its processes are to share; the text says what was needed and what is free.
class NoRoomError : public Error {
 public:
  using Error::Error;
};

/// Where the memory that a node's processes share comes from: memory while there is some, then a file on a disk.
struct SegmentSource {
  /// Whether a file may take the place of memory.
  bool uses_files = true;
  /// Of those files. Empty: TMPDIR, or /tmp.
  std::string folder = {};
  std::function<MemoryRoom()> room = [] { return memory_room(); };

  /// A file without a name, of that size for ever, whose pages can all be used: nobody is killed for touching one.
  /// Throws NoRoomError.
  [[nodiscard]] Descriptor open(std::size_t bytes) const;
};

}  // namespace joblib_mpi
