#pragma once

#include <string>

namespace joblib_mpi::launch {

/// An MPI library, as far as launching has to tell them apart.
struct MpiVersion {
  std::string name;     ///< "Open MPI", "MPICH", "Intel MPI", or what it calls itself
  std::string version;  ///< "4.1.4"; empty if unknown
  int major = 0;

  [[nodiscard]] bool is_open_mpi() const { return name == "Open MPI"; }
};

/// In words: "Open MPI 4.1.4".
[[nodiscard]] std::string to_string(const MpiVersion& mpi);

/// What `mpirun --version` printed, of Open MPI 4 and 5, MPICH's hydra, Intel MPI. Of another one the name is its first
/// line.
[[nodiscard]] MpiVersion mpi_version_from(const std::string& mpirun_version_text);

/// Whether ranks that are linked with `library` find each other when `launcher`'s mpirun starts them: the same MPI, of
/// the same major version.
[[nodiscard]] bool can_start(const MpiVersion& launcher, const MpiVersion& library);

}  // namespace joblib_mpi::launch
