#include "probe/probe_options.hpp"

#include <joblib_mpi/error.hpp>

#include <cstdlib>
#include <sstream>

namespace joblib_mpi::launch {
namespace {

constexpr const char* what_to_start = "joblib-mpi-probe is started by \"joblib-mpi doctor\"; run that command instead";

}  // namespace

std::vector<std::string> to_arguments(const ProbeOptions& options) {
  std::ostringstream seconds;
  seconds << options.wait_seconds;
  // No argument is empty, since launchers may drop empty ones.
  return {"python=" + options.python, "spill=" + options.spill_folder, "megabytes=" + std::to_string(options.megabytes),
          "wait=" + seconds.str()};
}

ProbeOptions probe_options_from(const std::vector<std::string>& arguments) {
  ProbeOptions options;
  for (const std::string& argument : arguments) {
    const auto equals = argument.find('=');
    if (equals == std::string::npos) throw UsageError(what_to_start);
    const std::string name = argument.substr(0, equals);
    const std::string value = argument.substr(equals + 1);
    if (name == "python") {
      options.python = value;
    } else if (name == "spill") {
      options.spill_folder = value;
    } else if (name == "megabytes") {
      options.megabytes = std::strtoul(value.c_str(), nullptr, 10);
    } else if (name == "wait") {
      options.wait_seconds = std::strtod(value.c_str(), nullptr);
    } else {
      throw UsageError(what_to_start);
    }
  }
  if (arguments.empty()) throw UsageError(what_to_start);
  return options;
}

}  // namespace joblib_mpi::launch
