#include "command/command_output.hpp"

#include "command/captured_run.hpp"

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <unistd.h>

namespace joblib_mpi::launch {

std::optional<CommandOutput> output_of(const std::vector<std::string>& words, double seconds) {
  const auto none = [](std::string_view) { return false; };
  const CapturedRun run = run_captured(words, environment_without(none), {.seconds = seconds, .grace_seconds = 1});
  if (!run.started) return std::nullopt;
  return CommandOutput{run.output + run.errors, run.timed_out ? 124 : run.status};
}

std::optional<std::string> found_on_path(const std::string& command) {
  const auto runs = [](const std::string& path) {
    std::error_code error;
    return access(path.c_str(), X_OK) == 0 && !std::filesystem::is_directory(path, error);
  };
  if (command.find('/') != std::string::npos) return runs(command) ? std::optional(command) : std::nullopt;
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + command;
    if (runs(candidate)) return candidate;
  }
  return std::nullopt;
}

}  // namespace joblib_mpi::launch
