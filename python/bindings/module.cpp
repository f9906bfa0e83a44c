// The compiled part of the Python package. _core.pyi beside the package describes it.

#include "buffer.hpp"
#include "content_hash.hpp"
#include "core/version.hpp"
#include "mpi_state.hpp"
#include "python_finished_task.hpp"
#include "python_journal.hpp"
#include "python_session.hpp"
#include "python_zygote.hpp"
#include "segments/memory_room.hpp"
#include <joblib_mpi/error.hpp>

#include <nanobind/nanobind.h>

namespace nb = nanobind;

NB_MODULE(_core, module) {
  module.attr("__version__") = joblib_mpi::version;
  // The handler that is registered last is tried first, so derived exceptions follow their base.
  const auto session_error = nb::exception<joblib_mpi::Error>(module, "SessionError", PyExc_RuntimeError);
  nb::exception<joblib_mpi::VersionMismatch>(module, "VersionMismatchError", session_error.ptr());
  nb::exception<joblib_mpi::CheckpointError>(module, "CheckpointError", session_error.ptr());
  nb::exception<joblib_mpi::SpillError>(module, "SpillError", session_error.ptr());
  joblib_mpi::bind_buffer(module);
  joblib_mpi::bind_content_hash(module);
  joblib_mpi::bind_finished_task(module);
  joblib_mpi::bind_journal(module);
  joblib_mpi::bind_zygote(module);
  joblib_mpi::bind_session(module);
  module.def("mpi_is_initialized", &joblib_mpi::mpi_is_initialized);
  module.def("memory_room", [] { return joblib_mpi::memory_room().bytes; });
}
