#pragma once

#include <filesystem>

namespace joblib_mpi {

/// Returns the processor time that the cgroups of this process allow, in cores, such as 1.5; infinity without a limit.
/// Beyond it all their processes stop for a while.
[[nodiscard]] double processor_quota(const std::filesystem::path& proc = "/proc",
                                     const std::filesystem::path& cgroups = "/sys/fs/cgroup");

/// Returns the number of cores that this process may use at a time: those to which it is bound, or a quota's, rounded
/// up, if these are fewer. At least 1.
[[nodiscard]] int usable_cores();

}  // namespace joblib_mpi
