#pragma once

#include <cstdint>

namespace joblib_mpi {

/// The items of a batch that a task runs one after the other. A task that is no batch is one item.
struct ItemRange {
  std::uint32_t first = 0;
  std::uint32_t count = 1;
  friend bool operator==(const ItemRange&, const ItemRange&) = default;
};

/// The other workers for which a worker is asked to give items back.
struct ItemSeekers {
  std::uint32_t workers = 0;  ///< The number of workers that wait for items; 0 if none does.
  bool share = true;          ///< Whether the holder keeps as many items as each of them gets, or none.
};

}  // namespace joblib_mpi
