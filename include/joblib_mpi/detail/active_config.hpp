#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/parallel_options.hpp>

#include <memory>

namespace joblib_mpi {

class Checkpoint;

namespace detail {

/// The defaults of a thread's calls: the options of its `parallel_config` scopes, merged.
struct ActiveConfig {
  std::shared_ptr<Backend> backend;             ///< the one that `options.backend` named when the scope began
  ParallelOptions options = {};                 ///< unset where no scope sets them
  std::shared_ptr<Checkpoint> checkpoint = {};  ///< the one of `options.checkpoint`; null if there is none
};

/// Returns what applies to this thread now; the backend is never null.
[[nodiscard]] ActiveConfig active_config();

}  // namespace detail
}  // namespace joblib_mpi
