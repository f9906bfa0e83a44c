#pragma once

#include "core/ids.hpp"
#include <joblib_mpi/detail/array_layout.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace joblib_mpi {

/// Where a worker writes the results that do not go through memory.
struct SpillPlace {
  std::string folder;       ///< the job's
  std::string token;        ///< a file in it that rank 0 has made: who does not see it is on another file system
  std::string compression;  ///< empty: none
  int rank = 0;             ///< the worker's; set where it arrives

  friend bool operator==(const SpillPlace&, const SpillPlace&) = default;
};

[[nodiscard]] Bytes encode(const SpillPlace& place);
/// Throws SerializationError.
[[nodiscard]] SpillPlace decode_spill_place(ByteView bytes);

/// Where one task's result belongs, should it spill.
struct ResultPlace {
  std::shared_ptr<const SpillPlace> spill;  ///< null: it must not
  CallId call;
  std::uint64_t task = 0;  ///< its index in the call
};

/// What is known of a result beside its bytes, where it was made.
struct ResultNotes {
  std::string function;              ///< that made it
  std::vector<ArrayLayout> layouts;  ///< of the result's parts; those that are not told are opaque
};

}  // namespace joblib_mpi
