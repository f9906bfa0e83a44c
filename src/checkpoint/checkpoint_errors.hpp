#pragma once

#include "files/guarded_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <string>

namespace joblib_mpi {

inline constexpr const char* checkpoint_not_trusted =
    ": results in a checkpoint are unpickled, so what other users have written could run their code. Take a folder "
    "that only you may write to (chmod go-w). If you must share one, set JOBLIB_MPI_CHECKPOINT_GUARD=shared from the "
    "first run on: only results that were written with your secret key are used then";

/// Calls `use` and throws CheckpointError in place of a FileError.
template <class Use>
auto with_checkpoint_errors(Use&& use) {
  try {
    return use();
  } catch (const UntrustedFileError& error) {
    throw CheckpointError(error.what() + std::string(checkpoint_not_trusted));
  } catch (const FileError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace joblib_mpi
