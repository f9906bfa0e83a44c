#include "doctor/transports.hpp"

#include <regex>
#include <sstream>

namespace joblib_mpi::launch {

Transports transports_in(std::string_view errors) {
  // "[n1:88] mca: bml: Using vader btl for send to [[8213,1],3] on node n1"; of Open MPI 5: "… to [[8213,1],3] on …".
  static const std::regex used(R"(mca: bml: Using (\S+) btl for send to \S*?(\d+)\]* on node)");
  static const std::regex not_used(R"(mca: bml: Not using \S+ btl)");
  Transports found;
  std::istringstream lines{std::string(errors)};
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, used)) {
      std::string& names = found.by_rank[std::stoi(match[2])];
      if (names.find(match[1]) == std::string::npos) names += (names.empty() ? "" : "+") + match[1].str();
    } else if (!std::regex_search(line, not_used)) {
      found.other_lines += line + '\n';
    }
  }
  return found;
}

}  // namespace joblib_mpi::launch
