#pragma once

#include "core/settings.hpp"

#include <optional>
#include <string>

namespace joblib_mpi {

/// A process that is one of several of its launcher, in case that MPI does not make ranks of one job of them.
struct LonelyStart {
  bool is_first = true;     ///< of the launcher's processes: it speaks for all
  bool lacks_pmix = false;  ///< srun has started it without what Open MPI needs, which may not even start then
  std::string text;         ///< what is wrong and what to do
};

/// What is to be said if this process is the only rank of its MPI job, as far as the variables tell that launchers set.
/// None if a launcher has started it alone, or none has. `mpi` is the library in words.
[[nodiscard]] std::optional<LonelyStart> lonely_start(const EnvironmentLookup& lookup, const std::string& mpi);

}  // namespace joblib_mpi
