#pragma once

#include <nanobind/nanobind.h>

namespace joblib_mpi {

void bind_content_hash(nanobind::module_& module);

}  // namespace joblib_mpi
