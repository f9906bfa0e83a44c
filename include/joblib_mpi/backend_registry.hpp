#pragma once

#include <joblib_mpi/backend.hpp>

#include <functional>
#include <memory>
#include <string>

namespace joblib_mpi {

/// Makes a backend known by name, as `joblib.register_parallel_backend` does. Throws UsageError if the name is taken.
void register_backend(const std::string& name, std::shared_ptr<Backend> backend);

/// Forgets it; calls that run on it go on.
void unregister_backend(const std::string& name);

/// The backend of that name. Throws UsageError that lists the known ones.
[[nodiscard]] std::shared_ptr<Backend> find_backend(const std::string& name);

/// The backend that is used where nobody names one: "mpi" while a session runs, otherwise "threading"; "sequential"
/// inside a task.
[[nodiscard]] std::shared_ptr<Backend> default_backend();

}  // namespace joblib_mpi
