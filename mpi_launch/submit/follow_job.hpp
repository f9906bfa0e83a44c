#pragma once

#include <string>

namespace joblib_mpi::launch {

/// Copies the output of batch job `id` to stdout until the job is over, across its restarts; prints changes of the
/// job's state on stderr. Returns the job's exit status; after Ctrl-C, which does not end the job, returns 130.
int follow_job(const std::string& id);

}  // namespace joblib_mpi::launch
