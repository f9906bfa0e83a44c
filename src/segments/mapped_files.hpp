#pragma once

#include "segments/descriptor.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

namespace joblib_mpi {

/// The files that this process has mapped as a whole and whose descriptors it has kept for another process. Any thread
/// may call any function.
class MappedFiles {
 public:
  /// Returns those of this process.
  [[nodiscard]] static MappedFiles& of_process();

  /// Lets `keep` keep descriptors from now on: there may be a process to which they are handed.
  void hand_on() noexcept { are_handed_on_ = true; }
  /// Keeps a descriptor of the file `number`, which is mapped at `mapping`, if descriptors are handed on and this
  /// process may open another one. `forget` must be called before the mapping ends.
  void keep(ByteView mapping, int number);
  void forget(ByteView mapping) noexcept;

  struct Place {
    Descriptor file;
    std::size_t offset;  ///< in bytes from the beginning of the file
  };
  /// Returns a descriptor of the file in whose mapping the bytes are, and their place; nothing if there is none.
  [[nodiscard]] std::optional<Place> find(ByteView bytes) const;

 private:
  struct Kept {
    std::size_t bytes;
    Descriptor file;
  };

  std::atomic<bool> are_handed_on_{false};
  mutable std::mutex mutex_;
  std::map<const std::byte*, Kept> kept_;  // by the address at which they are mapped
};

}  // namespace joblib_mpi
