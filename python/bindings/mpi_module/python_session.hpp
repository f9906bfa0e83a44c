#pragma once

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Adds `start_session`, and the two types that it returns, to the module.
void bind_session(nanobind::module_& module);

}  // namespace joblib_mpi
