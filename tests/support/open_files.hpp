#pragma once

#include "support/resource_limit.hpp"

#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <sys/resource.h>
#include <system_error>

namespace joblib_mpi::test {

/// Lets this process open files with numbers below a limit only, during the life of the object.
using OpenFileLimit = ResourceLimit<RLIMIT_NOFILE>;

/// Lets this process open no more files during the life of the object.
class NoMoreFiles {
 public:
  NoMoreFiles() : limit_(lowest_free()) {}

 private:
  // Asked for one by one: another thread that opens a file for a moment would take a number from a file of ours.
  static rlim_t lowest_free() {
    int number = 0;
    while (fcntl(number, F_GETFD) != -1) ++number;
    return static_cast<rlim_t>(number);
  }

  OpenFileLimit limit_;
};

/// Returns how many descriptors of this process are memory for other processes.
[[nodiscard]] inline std::size_t open_memory_files() {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(file.path(), gone).string().find("joblib_mpi") != std::string::npos) ++count;
  }
  return count;
}

}  // namespace joblib_mpi::test
