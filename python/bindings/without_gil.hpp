#pragma once

#include <nanobind/nanobind.h>

#include <memory>

namespace joblib_mpi {

/// Deletes an object without the GIL, because its destructor may wait for a thread, a process or the disk. Must be
/// called with the GIL.
template <class Object>
struct DeleteWithoutGil {
  void operator()(Object* object) const {
    const nanobind::gil_scoped_release release;
    delete object;
  }
};

/// A pointer to what belongs to one Python object and whose destructor may wait.
template <class Object>
using PtrDeletedWithoutGil = std::unique_ptr<Object, DeleteWithoutGil<Object>>;

}  // namespace joblib_mpi
