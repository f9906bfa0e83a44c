#pragma once

#include "core/ids.hpp"

#include <string>

namespace joblib_mpi {

/// A worker that must not use its file at the path of a file of rank 0, and the reason.
struct FileRefusal {
  WorkerId worker;
  std::string reason;
};

}  // namespace joblib_mpi
