#include "command/listen_address.hpp"

#include <regex>

namespace joblib_mpi::launch {

std::string why_no_address(const std::string& text) {
  // As in joblib_mpi.serving.addresses.
  static const std::regex pattern(R"((?:\[[^\[\]]+\]|[^\[\]:/\s*]+):(\d{1,5}))");
  std::smatch parts;
  if (std::regex_match(text, parts, pattern) && std::stoi(parts[1]) <= 65535) return "";
  return "\"" + text +
         "\" is no address HOST:PORT, such as 127.0.0.1:8786 or [::1]:0, with a port from 0 (any free one) to 65535";
}

}  // namespace joblib_mpi::launch
