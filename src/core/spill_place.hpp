#pragma once

#include "core/ids.hpp"
#include <joblib_mpi/detail/array_layout.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// The place where a worker writes results that do not go through memory. Rank 0 makes its folder when a worker asks,
/// so that a job without large results makes none.
struct SpillPlace {
  /// The job's folder; before it is made, the folder that it will be in. Empty for a result that is no longer wanted.
  std::string folder;
  /// A file in it that rank 0 has made; a worker that does not see it is on another file system. Empty before it is
  /// made.
  std::string token;
  std::string compression;   ///< the HDF5 filter; empty for none
  int rank = 0;              ///< the worker's rank; set on arrival
  std::string refusal = {};  ///< why no folder can be made, usually empty

  /// Returns whether a worker has to ask rank 0 for the folder before it can write.
  [[nodiscard]] bool has_to_be_made() const noexcept { return !folder.empty() && token.empty() && refusal.empty(); }
  friend bool operator==(const SpillPlace&, const SpillPlace&) = default;
};

/// Returns the place as bytes that `decode_spill_place` reads.
[[nodiscard]] Bytes encode(const SpillPlace& place);
/// Returns the place that `encode` has written. Throws SerializationError.
[[nodiscard]] SpillPlace decode_spill_place(ByteView bytes);

/// The place of one task's result if it spills.
struct ResultPlace {
  std::shared_ptr<const SpillPlace> spill;  ///< null if the result must not spill
  CallId call;
  std::uint64_t index = 0;  ///< the index of the task
};

/// Facts about a result that its bytes do not contain, known where it was made.
struct ResultNotes {
  std::string function;              ///< the function that made it
  std::vector<ArrayLayout> layouts;  ///< the layouts of the result's parts; a part without one is opaque
};

}  // namespace joblib_mpi
