// The part of the Python package that is linked with MPI, and that only ranks load. _mpi.pyi in the package describes
// it.

#include "mpi_module/mpi_state.hpp"
#include "mpi_module/python_session.hpp"

#include <nanobind/nanobind.h>

namespace nb = nanobind;

NB_MODULE(_mpi, module) {
  nb::module_::import_("joblib_mpi._core");  // it has the exceptions and types that this module uses, too
  joblib_mpi::bind_session(module);
  module.def("mpi_is_initialized", &joblib_mpi::mpi_is_initialized);
}
