#pragma once

#include <joblib_mpi/error.hpp>

namespace joblib_mpi {

/// The connection of a client to its job is gone, or the job has ended; the text says which.
class JobGone : public Error {
 public:
  using Error::Error;
};

}  // namespace joblib_mpi
