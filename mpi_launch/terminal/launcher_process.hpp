#pragma once

#include <csignal>
#include <string>
#include <sys/types.h>
#include <vector>

namespace joblib_mpi::launch {

/// Starts the launcher `words` without input in a separate process group, with the signals `blocked`, and returns its
/// process id. It is sent SIGTERM when this process ends. Throws LaunchError.
[[nodiscard]] pid_t start_launcher(const std::vector<std::string>& words, const sigset_t& blocked);

}  // namespace joblib_mpi::launch
