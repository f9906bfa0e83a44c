#include "files/boot_id.hpp"

#include <fstream>

namespace joblib_mpi {

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

}  // namespace joblib_mpi
