#pragma once

#include "core/settings.hpp"

#include <optional>
#include <string>

namespace joblib_mpi {

/// A process that its launcher has started together with others, although MPI may not make them ranks of one job.
struct LonelyStart {
  bool is_first = true;     ///< true in the first of the launcher's processes, which reports for all
  bool lacks_pmix = false;  ///< true if srun gave it no PMIx, without which Open MPI may not even start
  std::string text;         ///< the problem and what to do about it
};

/// Returns the report for the case that this process is the only rank of its MPI job, judging by the variables that
/// launchers set. Returns nothing if it was started alone or without a launcher. `mpi` is the name and version of the
/// MPI library.
[[nodiscard]] std::optional<LonelyStart> lonely_start(const EnvironmentLookup& lookup, const std::string& mpi);

}  // namespace joblib_mpi
