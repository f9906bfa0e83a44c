#pragma once

#include <string>

namespace joblib_mpi {

/// Returns a readable name of this program and library that differs between programs: "joblib_mpi 0.1.0, app (build
/// 1f0c…)". The build is the linker's build id or, without one, a hash of the file.
[[nodiscard]] std::string program_identity();

}  // namespace joblib_mpi
