#pragma once

#include "coordinator/coordinator.hpp"

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Returns a `_core.FinishedTask`, a tuple with named fields that costs no more than a plain tuple. Needs the GIL.
[[nodiscard]] nanobind::object finished_task(const FinishedTask& task);

/// Adds the type `FinishedTask` to the module.
void bind_finished_task(nanobind::module_& module);

}  // namespace joblib_mpi
