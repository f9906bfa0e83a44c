#pragma once

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Adds the types `Journal` and `JournaledCall` to the module.
void bind_journal(nanobind::module_& module);

}  // namespace joblib_mpi
