#pragma once

#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// Starts `launcher`, an mpirun and its options, on `command` for each rank, and returns the exit status when it ends.
/// Rank 0 runs on this host.
///
/// mpirun is in a separate process group, so that the terminal's keys do not reach it. Rank 0 has the standard
/// streams of this process, and its process group gets SIGINT, SIGQUIT, SIGTSTP and SIGWINCH: through this process, or
/// from the terminal after rank 0 has tried to read from it or to change its modes, and so needed the foreground. A
/// second SIGINT within a second ends the job, as SIGTERM and SIGHUP do, and so does a SIGINT before rank 0 has
/// started. SIGUSR1 and SIGUSR2 go to mpirun, which ends if this process is killed.
[[nodiscard]] int attended_launch(const std::vector<std::string>& launcher, const std::vector<std::string>& command);

}  // namespace joblib_mpi::launch
