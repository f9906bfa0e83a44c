#pragma once

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Adds the function `content_hash` to the module.
void bind_content_hash(nanobind::module_& module);

}  // namespace joblib_mpi
