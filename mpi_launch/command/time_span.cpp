#include "command/time_span.hpp"

#include <regex>

namespace joblib_mpi::launch {

std::optional<long> seconds_of_time_span(const std::string& text) {
  static const std::regex pattern(R"((\d{1,8})([smhd]?))");
  std::smatch parts;
  if (!std::regex_match(text, parts, pattern)) return std::nullopt;
  const std::string unit = parts[2];
  const long seconds = unit == "d" ? 86400 : unit == "h" ? 3600 : unit == "m" ? 60 : 1;
  return std::stol(parts[1]) * seconds;
}

}  // namespace joblib_mpi::launch
