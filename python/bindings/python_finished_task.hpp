#pragma once

#include "coordinator/coordinator.hpp"

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// A `_core.FinishedTask`: a tuple whose fields have names, which costs what a tuple costs. Needs the GIL.
[[nodiscard]] nanobind::object finished_task(const FinishedTask& task);

void bind_finished_task(nanobind::module_& module);

}  // namespace joblib_mpi
