#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace joblib_mpi {

/// "signal 11 (SIGSEGV)" or "exit code 1", from what waitpid says.
[[nodiscard]] std::string describe_exit(int wait_status);

/// Ends all children of this process and, as they become its children, all that those have started: asks them by
/// SIGTERM, and kills those that are there a second later. Waits until they are gone, after that at most for `seconds`.
/// This process has to be a subreaper.
void end_descendants(double seconds);

/// The memory of a process that only it has and that cannot be written to a file, in bytes; 0 if there is no such
/// process. What it has mapped of segments is not counted.
[[nodiscard]] std::uint64_t anonymous_resident_bytes(pid_t process);

}  // namespace joblib_mpi
