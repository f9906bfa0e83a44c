#pragma once

#include <string>

namespace joblib_mpi::launch {

/// The name and version of an MPI library, as far as launching needs them.
struct MpiVersion {
  std::string name;     ///< "Open MPI", "MPICH", "Intel MPI", or the first line that another one prints
  std::string version;  ///< "4.1.4"; empty if unknown
  int major = 0;

  [[nodiscard]] bool is_open_mpi() const { return name == "Open MPI"; }
};

/// Returns the version in words: "Open MPI 4.1.4".
[[nodiscard]] std::string to_string(const MpiVersion& mpi);

/// Parses the output of `mpirun --version` of Open MPI 4 and 5, MPICH's hydra and Intel MPI. For any other mpirun the
/// first line becomes the name.
[[nodiscard]] MpiVersion mpi_version_from(const std::string& mpirun_version_text);

/// Returns whether ranks that are linked with `library` find each other when `launcher`'s mpirun starts them: both must
/// be the same MPI with the same major version.
[[nodiscard]] bool can_start(const MpiVersion& launcher, const MpiVersion& library);

}  // namespace joblib_mpi::launch
