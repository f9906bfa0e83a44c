#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace joblib_mpi {

/// The files of a cgroup.
struct CgroupFiles {
  int version;                  ///< 1 or 2, in which files have other names
  std::filesystem::path group;  ///< its name, such as "/slurm/job_7"
  std::filesystem::path folder;
};

/// Returns the cgroups in which this process is for a controller, such as "memory": its own and those above it, whose
/// limits hold, too. The paths are those of this machine's file systems.
[[nodiscard]] std::vector<CgroupFiles> own_cgroups(std::string_view controller,
                                                   const std::filesystem::path& proc = "/proc",
                                                   const std::filesystem::path& cgroups = "/sys/fs/cgroup");

}  // namespace joblib_mpi
