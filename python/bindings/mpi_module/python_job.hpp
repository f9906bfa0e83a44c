#pragma once

#include "session/threaded_session.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

namespace joblib_mpi {

/// Adds to a Python type what every rank knows of its job: `rank`, `size`, `n_workers` and `host`. `Type::session()`
/// returns its ThreadedSession.
template <class Type>
void bind_job(nanobind::class_<Type>& type) {
  const auto size = [](const Type& self) { return static_cast<int>(self.session().hosts().size()); };
  type.def_prop_ro("rank", [](const Type& self) { return self.session().rank(); })
      .def_prop_ro("size", size)
      .def_prop_ro("n_workers", [size](const Type& self) { return size(self) - 1; })
      .def(
          "host",
          [size](const Type& self, int rank) -> const std::string& {
            if (rank < 0 || rank >= size(self)) {
              throw nanobind::index_error(("there is no rank " + std::to_string(rank)).c_str());
            }
            return self.session().hosts()[static_cast<std::size_t>(rank)];
          },
          nanobind::arg("rank"));
}

}  // namespace joblib_mpi
