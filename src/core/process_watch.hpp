#pragma once

#include <string>

namespace joblib_mpi {

/// Returns a name of this process that no other process of this machine has had or will have while the machine runs. It
/// is meaningless on other machines and in other PID namespaces.
[[nodiscard]] std::string own_process();

/// Returns whether the process with this name exists and has not ended. Returns false for a name that is meaningless
/// here.
[[nodiscard]] bool is_running(const std::string& process);

}  // namespace joblib_mpi
