#include "run/mpi_version.hpp"

#include <cstdlib>
#include <regex>

namespace joblib_mpi::launch {

std::string to_string(const MpiVersion& mpi) {
  return mpi.version.empty() ? mpi.name : mpi.name + " " + mpi.version;
}

MpiVersion mpi_version_from(const std::string& mpirun_version_text) {
  struct Known {
    const char* name;
    std::regex version;
  };
  // Open MPI 4 calls itself "Open MPI" or "OpenRTE", 5 "Open MPI" alone.
  static const Known known[] = {
      {"Open MPI", std::regex(R"(\((?:Open MPI|OpenRTE)\)\s+v?(\d[\w.]*))")},
      {"Intel MPI", std::regex(R"(Intel\(R\) MPI Library[^\n]*Version\s+(\d[\w.]*))")},
      {"MPICH", std::regex(R"(HYDRA build details:\s+Version:\s+(\d[\w.]*))")},
  };
  for (const Known& mpi : known) {
    std::smatch found;
    if (!std::regex_search(mpirun_version_text, found, mpi.version)) continue;
    return {mpi.name, found[1], std::atoi(found[1].str().c_str())};
  }
  return {mpirun_version_text.substr(0, mpirun_version_text.find('\n')), "", 0};
}

bool can_start(const MpiVersion& launcher, const MpiVersion& library) {
  return launcher.name == library.name && launcher.major == library.major;
}

}  // namespace joblib_mpi::launch
