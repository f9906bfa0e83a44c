#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Memory of the core as a Python object that supports the buffer protocol.
struct Buffer {
  SharedBytes bytes;
  bool writable;
};

/// Adds the type `Buffer` to the module.
void bind_buffer(nanobind::module_& module);

}  // namespace joblib_mpi
