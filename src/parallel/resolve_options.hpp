#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/parallel_options.hpp>

namespace joblib_mpi {

/// Returns `inner` with each unset option taken from `outer`.
[[nodiscard]] ParallelOptions merged(ParallelOptions inner, const ParallelOptions& outer);

/// Throws UsageError for an option whose value is impossible with every backend.
void require_valid(const ParallelOptions& options);

/// Returns the options of a call on `backend`; unset ones get its defaults and those of CallOptions.
[[nodiscard]] CallOptions resolved(const ParallelOptions& options, const Backend& backend);

}  // namespace joblib_mpi
