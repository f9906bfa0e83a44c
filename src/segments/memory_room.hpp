#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace joblib_mpi {

/// Memory that can be used before the system has to kill a process for it.
struct MemoryRoom {
  std::uint64_t bytes;
  std::string limit;                  ///< what sets it, in words: "the machine's memory", "the memory cgroup /job_7"
  std::uint64_t total_bytes = bytes;  ///< what there is, used or not
};

/// The least of what the machine and the memory cgroups (version 1 and 2) of this process and all above it have left.
/// Pages of files that can be dropped count as free. What the kernel says is read below `proc` and `cgroups`.
[[nodiscard]] MemoryRoom memory_room(const std::filesystem::path& proc = "/proc",
                                     const std::filesystem::path& cgroups = "/sys/fs/cgroup");

}  // namespace joblib_mpi
