#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Memory of the core as a Python object with the buffer protocol.
struct Buffer {
  SharedBytes bytes;
  bool writable;
};

void bind_buffer(nanobind::module_& module);

}  // namespace joblib_mpi
