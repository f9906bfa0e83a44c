#pragma once

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Binds `start_session` and the two types that it returns.
void bind_session(nanobind::module_& module);

}  // namespace joblib_mpi
