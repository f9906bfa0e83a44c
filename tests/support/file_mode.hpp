#pragma once

#include "support/catch.hpp"

#include <filesystem>
#include <sys/stat.h>

namespace joblib_mpi::test {

/// Returns the permission bits of a file that exists.
[[nodiscard]] inline mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

}  // namespace joblib_mpi::test
