#pragma once

#include <stdexcept>

namespace joblib_mpi::launch {

/// The command cannot do what it was asked for. The text says why and what to do; the command prints it and ends with
/// status 2.
class LaunchError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace joblib_mpi::launch
