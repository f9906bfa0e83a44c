#pragma once

#include <string>

namespace joblib_mpi {

/// This program and this library in words for people, different for different programs:
/// "joblib_mpi 0.1.0, app (build 1f0c…)". The build is the linker's build id, or a hash of the file without one.
[[nodiscard]] std::string program_identity();

}  // namespace joblib_mpi
