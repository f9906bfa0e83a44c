#pragma once

#include <string>

namespace joblib_mpi::launch {

/// Copies the output of batch job `id` to stdout, through restarts of the job, until it is over; what happens to the
/// job goes to stderr. Returns the job's exit status. Ctrl-C ends the following and not the job, with status 130.
int follow_job(const std::string& id);

}  // namespace joblib_mpi::launch
