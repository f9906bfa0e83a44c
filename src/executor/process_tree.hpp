#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace joblib_mpi {

/// Returns "signal 11 (SIGSEGV)" or "exit code 1", for example, for a status from waitpid.
[[nodiscard]] std::string describe_exit(int wait_status);

/// Ends all children of this process and, as they become its children, all their descendants: sends SIGTERM, and
/// SIGKILL to those that are left a second later. Waits until they are gone, but after that second at most for
/// `seconds`. This process must be a subreaper.
void end_descendants(double seconds);

/// Returns the resident memory of a process that is private to it and not backed by a file, in bytes; 0 if there is no
/// such process. Mapped segments are not counted.
[[nodiscard]] std::uint64_t anonymous_resident_bytes(pid_t process);

}  // namespace joblib_mpi
