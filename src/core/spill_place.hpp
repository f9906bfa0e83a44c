#pragma once

#include "core/ids.hpp"
#include <joblib_mpi/detail/array_layout.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// The place where a worker writes results that do not go through memory.
struct SpillPlace {
  std::string folder;  ///< the job's folder
  std::string token;   ///< a file in it that rank 0 has made; a worker that does not see it is on another file system
  std::string compression;  ///< the HDF5 filter; empty for none
  int rank = 0;             ///< the worker's rank; set on arrival

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
