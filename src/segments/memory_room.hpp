#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace joblib_mpi {

/// The memory that this process can still use before the system kills a process for lack of it.
struct MemoryRoom {
  std::uint64_t bytes;
  std::string limit;                  ///< the name of the limit: "the machine's memory", "the memory cgroup /job_7"
  std::uint64_t total_bytes = bytes;  ///< the size of the limit, used or not
};

/// Returns the smallest room that the machine and the memory cgroups (version 1 and 2) of this process and all their
/// parents have left. Pages of files that can be dropped count as free. The figures are read from the kernel's files
/// below `proc` and `cgroups`, by default where Linux mounts them.
[[nodiscard]] MemoryRoom memory_room(const std::filesystem::path& proc = "/proc",
                                     const std::filesystem::path& cgroups = "/sys/fs/cgroup");

}  // namespace joblib_mpi
