#include "core/cgroups.hpp"

#include <fstream>
#include <string>

namespace joblib_mpi {

namespace fs = std::filesystem;

std::vector<CgroupFiles> own_cgroups(std::string_view controller, const fs::path& proc, const fs::path& cgroups) {
  std::vector<CgroupFiles> found;
  std::ifstream groups(proc / "self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // number:controllers:path
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool is_version_2 = controllers == ",,";
    if (!is_version_2 && controllers.find("," + std::string(controller) + ",") == std::string::npos) continue;
    const fs::path mount = is_version_2 ? cgroups : cgroups / controller;
    for (fs::path group = line.substr(second + 1);; group = group.parent_path()) {
      found.push_back({is_version_2 ? 2 : 1, group, mount / group.relative_path()});
      if (!group.has_relative_path()) break;
    }
  }
  return found;
}

}  // namespace joblib_mpi
