#pragma once

#include <nanobind/nanobind.h>

namespace joblib_mpi {

void bind_journal(nanobind::module_& module);

}  // namespace joblib_mpi
