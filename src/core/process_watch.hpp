#pragma once

#include <string>

namespace joblib_mpi {

/// A name of this process that no other process of this machine has had or will have while it runs. It means nothing on
/// other machines and in other PID namespaces.
[[nodiscard]] std::string own_process();

/// Whether the process of that name is there and has not ended. Also false for a name that means nothing here.
[[nodiscard]] bool is_running(const std::string& process);

}  // namespace joblib_mpi
